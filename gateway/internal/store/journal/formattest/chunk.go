package formattest

import (
	"bytes"
	"hash/crc32"
)

// A reading is the reading of one chunk.
type reading struct {
	*chunk
	book *Book

	stated  bool  // the next header says where this chunk ends
	limit   int64 // no byte at or behind it is read
	last    int64 // last sequence, where stated
	unsure  int64 // how many of the last records are, where stated
	expect  int64 // sequence
	offset  int64
	write   int64  // first sequence of the write that the last record belongs to
	pending []Lost // missing in the last write of the last chunk

	damaged map[int64]byte // the kinds of records of which only the payload is damaged, by sequence
}

// readChunk adds the records of c to the book and returns the sequence behind
// its end.
func (b *Book) readChunk(c *chunk) int64 {
	r := &reading{chunk: c, book: b, limit: int64(len(c.data)), expect: c.first, offset: headerBytes, damaged: map[int64]byte{}}
	lost := len(b.Lost)
	switch n := c.next; {
	case n == nil:
	case n.prev == c.id:
		r.stated, r.limit, r.last, r.unsure = true, min(r.limit, n.prevEnd), n.prevLast, n.prevUns
	case n.first <= c.first:
		r.stated, r.limit, r.last = true, headerBytes, c.first-1
	}
	for at := r.offset; at+frameBytes <= r.limit; {
		size, whole := r.look(at)
		if whole {
			r.take(at, size)
		}
		at += max(size, 8)
	}
	r.finish()
	if b.Events >= 0 {
		b.Events += c.events + r.lostEvents(b.Lost[lost:])
	}
	if r.stated {
		return max(r.expect, r.last+1)
	}
	return r.expect
}

// look looks for a frame; size is that of the record it begins, zero for none.
func (r *reading) look(at int64) (size int64, whole bool) {
	f := r.data[at : at+frameBytes]
	length, sequence := int64(u32(f, 8)), i64(f, 24)
	size = frameBytes + (length+7)/8*8
	check := crc32.Update(crc32.Checksum(r.salt, castagnoli), castagnoli, f[4:])
	switch {
	case check != u32(f, 0), f[12] == 0, i64(f, 16) != r.id, length > maxPayload, at+size > r.limit,
		sequence < r.expect, r.next != nil && sequence >= r.next.first:
		return 0, false
	}
	payload := r.data[at+frameBytes : at+frameBytes+length]
	whole = crc32.Checksum(payload, castagnoli) == u32(f, 4)
	if !whole {
		r.damaged[sequence] = f[12]
	}
	return size, whole
}

// lostEvents counts the records that were lost, but for those that are known not
// to be events.
func (r *reading) lostEvents(lost []Lost) (events int64) {
	for _, l := range lost {
		for sequence := l.First; sequence <= l.Last; sequence++ {
			if kind, known := r.damaged[sequence]; !known || kind == kindEvent {
				events++
			}
		}
	}
	return events
}

// take takes the whole record at a place and judges what is missing before it.
func (r *reading) take(at, size int64) {
	f := r.data[at:]
	sequence := i64(f, 24)
	write := max(sequence-int64(u32(f, 12)>>8), 1)
	if write > r.write {
		r.book.Lost = append(r.book.Lost, r.pending...) // a later write follows: they were kept once
		r.pending, r.write = nil, write
	}
	if sequence > r.expect {
		r.missing(sequence, write)
	}
	if f[12] == kindEvent {
		r.events++
	} else {
		r.others++
	}
	payload := f[frameBytes : frameBytes+int64(u32(f, 8))]
	if p, err := Parse(payload); err == nil {
		r.newest = max(r.newest, int64(p.Numbers[16]))
	}
	r.book.Records = append(r.book.Records, Record{File: r.name, Sequence: sequence, Kind: f[12], Payload: payload})
	r.expect, r.offset = sequence+1, at+size
}

// missing judges the sequences from the expected one to the one before a whole
// record, which belongs to the write that began with the given sequence.
func (r *reading) missing(sequence, write int64) {
	sure := sequence // the first that is no damage
	switch {
	case r.stated:
		sure = min(sure, r.last-r.unsure+1)
	case r.next == nil:
		sure = min(sure, write)
	}
	if sure > r.expect {
		r.book.Lost = append(r.book.Lost, Lost{r.name, r.offset, r.expect, sure - 1})
	}
	if first := max(sure, r.expect); first < sequence && r.next == nil {
		r.pending = append(r.pending, Lost{r.name, r.offset, first, sequence - 1})
	}
}

// finish judges what is missing behind the last whole record.
func (r *reading) finish() {
	switch {
	case r.stated && r.expect <= r.last:
		r.book.Lost = append(r.book.Lost, Lost{r.name, r.offset, r.expect, r.last})
	case r.next == nil:
		rest := r.data[min(r.offset, int64(len(r.data))):]
		r.book.Torn = len(r.pending) > 0 || len(bytes.Trim(rest, "\x00")) > 0
	}
}
