package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"daybook.dev/internal/wal"
)

const (
	// kindEvent is the kind of all records.
	kindEvent = 1

	// stampSize is the time in front of each record: when it was appended, in
	// nanoseconds since 1970. What is too old is told by it.
	stampSize = 8
)

// add copies records into the group.
func (g *group) add(now uint64, records [][]byte) {
	size := 0
	for _, r := range records {
		size += stampSize + len(r)
	}
	g.data = slices.Grow(g.data, size)
	g.sizes = slices.Grow(g.sizes, len(records))
	for _, r := range records {
		g.data = binary.LittleEndian.AppendUint64(g.data, now)
		g.data = append(g.data, r...)
		g.sizes = append(g.sizes, stampSize+len(r))
	}
}

// write writes a group and syncs it. Callers hold disk. What is written is not
// seen by readers before it is synced.
func (s *Spool) write(g *group) error {
	o, c, err := s.writable()
	if err != nil {
		return err
	}
	sequence := c.last
	framed := slices.Grow(s.framed[:0], len(g.data)+len(g.sizes)*(wal.RecordSize(0)+8))
	rest := g.data
	for _, size := range g.sizes {
		payload := rest[:size]
		rest = rest[size:]
		sequence++
		framed = o.writer.AppendRecord(framed, wal.Record{Sequence: sequence, Kind: kindEvent, Payload: payload}, wal.Checksum(payload))
	}
	if err = o.writer.Write(framed); err == nil {
		err = o.writer.Sync()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepBuffers(framed, g)
	if err != nil {
		// Nothing is known about what the file holds behind its last sync. The
		// next chunk's header says where this one ends.
		_ = o.endChunk()
		if c.left() == 0 {
			s.remove(o, c)
		}
		return err
	}
	s.bytes += o.writer.Size() - c.size
	c.size, c.last = o.writer.Size(), sequence
	o.end = wal.End{Chunk: c.header.ID, Offset: c.size, Sequence: c.last}
	s.evict()
	return nil
}

// keepBuffers keeps the memory of a write for the next one, unless it is more
// than most need.
func (s *Spool) keepBuffers(framed []byte, g *group) {
	const most = 1 << 20
	if cap(framed) <= most {
		s.framed = framed
	}
	if cap(g.data) <= most {
		s.spare = group{data: g.data[:0], sizes: g.sizes[:0]}
	}
	g.data, g.sizes = nil, nil
}

// writable returns the chunk to write to, beginning a new one where needed.
func (s *Spool) writable() (*owned, *chunk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	if s.home == nil {
		if err := s.chooseHome(); err != nil {
			return nil, nil, err
		}
	}
	o := s.home
	if last := o.active(); last != nil && (o.writer.Size() >= s.chunkSize() || s.missing(last)) {
		if err := o.endChunk(); err != nil {
			return nil, nil, err
		}
		if last.left() == 0 {
			s.remove(o, last)
		}
	}
	if o.writer != nil {
		return o, o.active(), nil
	}
	err := s.begin(o)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		if o, err = s.newHome(); err == nil {
			s.settle(o)
			err = s.begin(o)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return o, o.active(), nil
}

// missing reports whether somebody has removed a chunk's file: what is written to
// it is found by nobody, however well it is synced.
func (s *Spool) missing(c *chunk) bool {
	file, err := s.o.FS.Open(c.name)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	_ = file.Close()
	return false
}

// chunkSize is the size at which a new file is begun.
func (s *Spool) chunkSize() int64 { return min(max(s.o.Bytes/8, minChunk), maxChunk) }

// chooseHome takes a directory that was taken over, so that a program started
// a thousand times does not leave a thousand of them, or makes a new one.
func (s *Spool) chooseHome() error {
	if n := len(s.owned); n > 0 {
		s.home = s.owned[n-1]
		return nil
	}
	o, err := s.newHome()
	if err != nil {
		return err
	}
	s.settle(o)
	return nil
}

func (s *Spool) settle(o *owned) {
	s.home = o
	s.owned = append(s.owned, o)
}

// begin begins a new chunk.
func (s *Spool) begin(o *owned) error {
	o.lastID++ // never used again, whether or not this succeeds
	h := wal.Header{Store: o.store, ID: o.lastID, First: o.end.Sequence + 1, Prev: o.end, Created: s.o.Now()}
	_, _ = rand.Read(h.Salt[:])
	w, err := wal.Create(s.o.FS, o.dir, h)
	if err != nil {
		return err
	}
	o.writer = w
	o.chunks = append(o.chunks, &chunk{
		header: h, name: filepath.Join(o.dir, wal.ChunkName(h.ID)), size: w.Size(), last: h.First - 1,
		next: position{offset: wal.DataStart, sequence: h.First},
	})
	s.bytes += w.Size()
	return nil
}
