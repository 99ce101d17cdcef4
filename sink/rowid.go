package sink

import (
	"github.com/google/uuid"

	"daybook.dev"
)

// namespace is that of the row ids made by RowID: the UUIDv5 of the URL
// "https://daybook.dev/event" in the namespace of URLs.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://daybook.dev/event"))

// RowID returns the id of an event for a column of 36 characters: its own when
// that is a UUID in the usual form, else a UUID (version 5) of scope and id. It
// is the same at every attempt. Two callers who use one id have two rows, unless
// that id is a UUID: those are taken to be unique everywhere.
func RowID(e *daybook.Event) string {
	if id, err := uuid.Parse(e.ID); err == nil && len(e.ID) == 36 {
		return id.String()
	}
	scope := ""
	if e.Origin != nil {
		scope = e.Origin.Scope
	}
	return uuid.NewSHA1(namespace, []byte(scope+"\x00"+e.ID)).String()
}
