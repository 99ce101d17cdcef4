package wal

import (
	"fmt"
	"path/filepath"
)

// A Chunk is a chunk file that is being written. It is not safe for concurrent
// use. After any error from Write or Sync it must be closed and not be used
// again: what the file holds behind its last sync is not known.
type Chunk struct {
	Header
	file File
	size int64 // offset of the next record
	room int64 // bytes of the file made in advance; 0 = none
	seed uint32

	before uint32 // records appended for the write under way
}

// Create makes the chunk that h describes in dir. Nil means that the file and
// its header are kept; an error that a file of this id may or may not be there,
// so the next attempt must take another id.
func Create(fs FS, dir string, h Header) (*Chunk, error) {
	name := filepath.Join(dir, ChunkName(h.ID))
	file, err := CreateFile(fs, name, h.appendTo(nil))
	if err != nil {
		return nil, err
	}
	return &Chunk{Header: h, file: file, size: DataStart, seed: h.seed()}, nil
}

// CreateFile makes a file with the given content so that nobody ever finds a
// part of it under its name: write, sync, rename, sync the directory. It
// replaces a file of that name and returns the new one, open.
func CreateFile(fs FS, name string, content []byte) (File, error) {
	temporary := name + temporarySuffix
	file, err := fs.Create(temporary)
	if err != nil {
		return nil, err
	}
	if err := fill(fs, file, temporary, name, content); err != nil {
		_ = file.Close()
		// Best effort, to give back the space: a leftover is removed at the
		// next start, and no reader looks at it.
		_ = fs.Remove(temporary)
		return nil, err
	}
	return file, nil
}

func fill(fs FS, file File, temporary, name string, content []byte) error {
	if _, err := file.WriteAt(content, 0); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return publish(fs, temporary, name)
}

// publish gives a synced file its name.
func publish(fs FS, temporary, name string) error {
	if err := fs.Rename(temporary, name); err != nil {
		return err
	}
	// Sync the folder before anything is written to the file: a crash in
	// between would keep the bytes and lose the name.
	return fs.SyncDir(filepath.Dir(name))
}

// Size is the offset behind the last record written.
func (c *Chunk) Size() int64 { return c.size }

// Taken is how many bytes the file takes: its records, or the room made for
// them.
func (c *Chunk) Taken() int64 { return max(c.size, c.room) }

// Roomy reports whether the chunk stands in room made in advance.
func (c *Chunk) Roomy() bool { return c.room > 0 }

// AppendRecord appends r to dst as it has to stand in this chunk. check is the
// Checksum of the payload. An empty dst begins a write: what is appended to it
// is known to be kept once a record of a later write is there.
func (c *Chunk) AppendRecord(dst []byte, r Record, check uint32) []byte {
	if len(dst) == 0 {
		c.before = 0
	}
	before := min(c.before, maxBefore)
	c.before++
	return appendRecord(dst, c.seed, frame{
		payloadCheck: check,
		length:       uint32(len(r.Payload)),
		kind:         r.Kind,
		before:       before,
		chunk:        c.ID,
		sequence:     r.Sequence,
	}, r.Payload)
}

// Write writes records made by AppendRecord behind those written before. Nil
// means that they are written, not that they are kept: see Sync.
func (c *Chunk) Write(records []byte) error {
	n, err := c.file.WriteAt(records, c.size)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	c.size += int64(n)
	return nil
}

// Sync returns nil when everything written is kept.
func (c *Chunk) Sync() error {
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// Close releases the file. It syncs nothing.
func (c *Chunk) Close() error { return c.file.Close() }
