package waltest

import "fmt"

// Kind is what an operation does.
type Kind string

// The kinds of operations. Open and Read change nothing and are not logged.
const (
	Create  Kind = "create"
	Open    Kind = "open"
	Read    Kind = "read"
	Write   Kind = "write"
	Sync    Kind = "sync"
	Rename  Kind = "rename"
	Remove  Kind = "remove"
	Mkdir   Kind = "mkdir"
	SyncDir Kind = "syncdir"
)

// An Operation is one call to a Disk.
type Operation struct {
	Kind   Kind
	Name   string
	To     string // new name, of a rename
	File   int    // which descriptor, of reads, writes and syncs: from 1
	Offset int64  // of reads and writes
	Bytes  int
	Err    error // how it ended
}

func (o Operation) String() string {
	text := fmt.Sprintf("%s %s", o.Kind, o.Name)
	switch o.Kind {
	case Read, Write:
		text += fmt.Sprintf(" %d bytes at %d", o.Bytes, o.Offset)
	case Rename:
		text += " to " + o.To
	}
	if o.Err != nil {
		text += ": " + o.Err.Error()
	}
	return text
}
