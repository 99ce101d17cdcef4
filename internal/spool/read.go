package spool

import (
	"encoding/binary"
	"time"

	"daybook.dev/internal/wal"
)

// read reads the next records of a chunk. Records that are too old or were lost
// are given up on the way. Callers hold mu.
func (s *Spool) read(o *owned, c *chunk, events, size int, dst []byte) (Batch, error) {
	b := Batch{Data: dst, owned: o, chunk: c, to: c.next}
	if c.left() == 0 {
		return b, nil
	}
	file, err := s.o.FS.Open(c.name)
	if err != nil {
		return b, err
	}
	defer func() { _ = file.Close() }()
	scanner := wal.Scan(file, wal.Listed{
		Header: c.header, Name: c.name, Size: c.size,
		End: wal.End{Chunk: c.header.ID, Offset: c.size, Sequence: c.last},
	})
	scanner.StartAt(c.next.offset, c.next.sequence)
	start := len(dst)
	for b.Events < events {
		r, ok := scanner.Next()
		if !ok {
			return b, s.ended(c, &b, scanner.Err())
		}
		after := position{offset: r.Offset + int64(wal.RecordSize(len(r.Payload))), sequence: r.Sequence + 1}
		if b.Events == 0 {
			s.skip(c, Damaged, r.Sequence-c.next.sequence)
			c.next = position{offset: r.Offset, sequence: r.Sequence}
			if s.tooOld(&r) {
				s.skip(c, Expired, 1)
				c.next, b.to = after, after
				continue
			}
		} else if r.Sequence != b.to.sequence || len(b.Data)-start+len(r.Payload) > size {
			break
		}
		b.Data = append(b.Data, r.Payload[min(stampSize, len(r.Payload)):]...)
		b.Events++
		b.to = after
	}
	return b, scanner.Err()
}

// ended is called where a chunk has no further record. Those that it should
// have are lost.
func (s *Spool) ended(c *chunk, b *Batch, err error) error {
	if err == nil && b.Events == 0 {
		s.skip(c, Damaged, uint64(c.left()))
		c.next = position{offset: c.size, sequence: c.last + 1}
	}
	return err
}

// skip gives up the next records of a chunk.
func (s *Spool) skip(_ *chunk, why Reason, n uint64) {
	if n > 0 {
		s.o.Evicted(why, int(n))
	}
}

func (s *Spool) tooOld(r *wal.Record) bool {
	if len(r.Payload) < stampSize {
		return false
	}
	written := time.Unix(0, int64(binary.LittleEndian.Uint64(r.Payload)))
	return s.o.Now().Sub(written) > s.o.Age
}
