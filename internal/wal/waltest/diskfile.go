package waltest

import (
	"io"
	"io/fs"
	"syscall"
)

// A node is a file or a directory, whatever its name is.
type node struct {
	dir    bool
	data   []byte  // as reads see it
	kept   []byte  // as the last sync left it
	writes []write // since then, in order
}

// A write is bytes that were written and not synced.
type write struct {
	offset int64
	bytes  []byte
}

// put writes b.
func (n *node) put(b []byte, offset int64) {
	n.data = overlay(n.data, b, offset)
	n.writes = append(n.writes, write{offset: offset, bytes: append([]byte(nil), b...)})
}

// overlay returns data with b at offset, grown with zeros where it must be.
func overlay(data, b []byte, offset int64) []byte {
	if end := offset + int64(len(b)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[offset:], b)
	return data
}

// sync keeps everything written.
func (n *node) sync() {
	for _, w := range n.writes {
		n.kept = overlay(n.kept, w.bytes, w.offset)
	}
	n.writes = nil
}

// A handle is an open file.
type handle struct {
	disk   *Disk
	node   *node
	name   string // under which it was opened
	number int
}

func (h *handle) operation(kind Kind, offset int64, bytes int) Operation {
	return Operation{Kind: kind, Name: h.name, File: h.number, Offset: offset, Bytes: bytes}
}

// ReadAt implements [wal.File].
func (h *handle) ReadAt(b []byte, offset int64) (n int, err error) {
	err = h.disk.do(h.operation(Read, offset, len(b)), func(fault error) error {
		if fault != nil {
			return fault
		}
		if offset < int64(len(h.node.data)) {
			n = copy(b, h.node.data[offset:])
		}
		if n < len(b) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// WriteAt implements [wal.File].
func (h *handle) WriteAt(b []byte, offset int64) (n int, err error) {
	err = h.disk.do(h.operation(Write, offset, len(b)), func(fault error) error {
		n = len(b)
		if fault != nil {
			n = len(b) / 2
		} else if room := h.disk.room(h.node, offset); room >= 0 && room < int64(n) {
			n, fault = int(room), &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
		}
		h.node.put(b[:n], offset)
		return fault
	})
	return n, err
}

// room is how many bytes can be written to n from offset on; -1 = any number.
func (d *Disk) room(n *node, offset int64) int64 {
	if d.limit == 0 {
		return -1
	}
	return max(0, d.limit-d.used()) + max(0, int64(len(n.data))-offset)
}

// Sync implements [wal.File]. When it fails, some of what was written is kept,
// and the rest never will be: the system has forgotten that it ought to be.
func (h *handle) Sync() error {
	return h.disk.do(h.operation(Sync, 0, 0), func(fault error) error {
		if fault == nil {
			h.node.sync()
			return nil
		}
		h.node.kept = h.disk.survivors(h.node, Pages)
		h.node.writes = nil
		return fault
	})
}

// Size implements [wal.File].
func (h *handle) Size() (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return int64(len(h.node.data)), nil
}

// Close implements [wal.File].
func (h *handle) Close() error { return nil }
