package wal

import (
	"fmt"
	"io"
)

// A Scanner reads the records of one chunk in order. It never reads behind the
// chunk's end, never stops at damage, and never holds more than the longest
// record that fits into the file.
type Scanner struct {
	// Damaged is told about everything that had to be skipped, once for each
	// stretch. Nil means nobody is.
	Damaged func(Damage)

	// Flawed is told about padding that is damaged. Nil means that nobody looks.
	Flawed func(Flaw)

	chunk  Listed
	seed   uint32
	window window
	limit  int64    // nothing at or behind it is read
	offset int64    // of the next record
	next   uint64   // sequence expected there
	first  uint64   // sequence of the first record of the last write met
	write  int64    // offset where that write begins
	held   []Damage // holes in the last write met, which may be unfinished
	passed []frame  // since the last record: those whose payload is damaged
	torn   bool
	done   bool
	err    error
}

// Damage is a stretch of a chunk that holds no record where some should be.
type Damage struct {
	Offset int64  // where the stretch begins
	First  uint64 // sequence of the first record lost
	Last   uint64 // of the last one
	What   string // what is wrong, for people

	// Kinds are those of the lost records of which only the payload is damaged.
	// Of the others nothing is known.
	Kinds []uint8
}

// Records is how many records were lost.
func (d Damage) Records() uint64 { return d.Last - d.First + 1 }

// Scan returns a Scanner over file, which holds the chunk c.
func Scan(file io.ReaderAt, c Listed) *Scanner {
	limit := c.Size
	if c.End.Chunk != 0 {
		limit = min(limit, c.End.Offset)
	}
	return &Scanner{
		chunk:  c,
		seed:   c.seed(),
		window: window{file: file, limit: limit},
		limit:  limit,
		offset: DataStart,
		next:   c.First,
		write:  DataStart,
		done:   c.Err != nil,
	}
}

// StartAt continues at offset, where the record with the given sequence begins:
// both from an earlier scan of the same chunk.
func (s *Scanner) StartAt(offset int64, sequence uint64) { s.offset, s.next = offset, sequence }

// Next returns the next whole record. Its payload is valid until the next call.
// False means that there is none, or that the file could not be read: see Err.
func (s *Scanner) Next() (Record, bool) {
	if s.done {
		return Record{}, false
	}
	r, ok := s.find(s.offset)
	if !ok {
		s.done = true
		if s.err == nil {
			s.finish()
		}
		return Record{}, false
	}
	if first := r.Sequence - r.before; first > s.first {
		// Another write follows, so the one before it was synced.
		s.release()
		s.first, s.write = first, s.offset
	}
	if r.Offset != s.offset || r.Sequence != s.next {
		s.hole(r)
	}
	s.offset = r.Offset + int64(RecordSize(len(r.Payload)))
	s.next = r.Sequence + 1
	s.passed = s.passed[:0]
	return r, true
}

// Err returns why the file could not be read. It says nothing about damage.
func (s *Scanner) Err() error { return s.err }

// End is where the last record returned by Next ends.
func (s *Scanner) End() End {
	end := End{Chunk: s.chunk.ID, Offset: s.offset, Sequence: s.next - 1}
	if len(s.held) > 0 {
		end.Unsure = s.next - s.held[0].First
	}
	return end
}

// LastWrite is the offset where the last write begins of which a record was
// returned by Next.
func (s *Scanner) LastWrite() int64 { return s.write }

// Torn reports whether, in a chunk whose end no header states, bytes that are no
// record follow the end, or records of the last write are missing: it was under
// way when the machine stopped.
func (s *Scanner) Torn() bool { return s.torn }

// find returns the first whole record at or behind offset.
func (s *Scanner) find(offset int64) (Record, bool) {
	for offset+frameSize <= s.limit && s.err == nil {
		f, ok := s.frameAt(offset)
		if !ok {
			offset += alignment
			continue
		}
		if r, ok := s.recordAt(offset, f); ok {
			return r, true
		}
		// The frame is right, so its length can be trusted: only the payload
		// is lost.
		s.passed = append(s.passed, f)
		offset += int64(RecordSize(int(f.length)))
	}
	return Record{}, false
}

// frameAt returns the frame at offset, if a record of this chunk that can
// follow the last one begins there.
func (s *Scanner) frameAt(offset int64) (frame, bool) {
	b, err := s.window.bytes(offset, frameSize)
	if err != nil {
		s.err = err
		return frame{}, false
	}
	f, ok := parseFrame(b, s.seed, s.chunk.ID)
	switch {
	case !ok, f.sequence < s.next, offset+int64(RecordSize(int(f.length))) > s.limit:
		return frame{}, false
	case s.chunk.Until != 0 && f.sequence >= s.chunk.Until:
		return frame{}, false
	}
	return f, true
}

func (s *Scanner) recordAt(offset int64, f frame) (Record, bool) {
	b, err := s.window.bytes(offset, RecordSize(int(f.length)))
	if err != nil {
		s.err = err
		return Record{}, false
	}
	end := frameSize + int(f.length)
	payload := b[frameSize:end]
	if Checksum(payload) != f.payloadCheck {
		return Record{}, false
	}
	s.padded(b[end:], offset+int64(end))
	return Record{
		Sequence: f.sequence, Kind: f.kind, Offset: offset, Payload: payload,
		before: min(uint64(f.before), f.sequence-1),
	}, true
}

// hole judges the place before r where some records should be. Those known to
// have been synced are damage. In the last chunk the others are held until a
// record of a later write says that they were.
func (s *Scanner) hole(r Record) {
	sure := r.Sequence - 1
	switch end := s.chunk.End; {
	case end.Chunk != 0:
		sure = end.Sequence - min(end.Unsure, end.Sequence)
	case s.chunk.Until == 0:
		sure = r.Sequence - r.before - 1
	}
	s.report(min(sure, r.Sequence-1), noRecord)
	if first := max(sure+1, s.next); s.chunk.End.Chunk == 0 && first < r.Sequence {
		s.held = append(s.held, s.lost(first, r.Sequence-1, noRecord))
	}
}

// release names the holes that were held.
func (s *Scanner) release() {
	for _, d := range s.held {
		if s.Damaged != nil {
			s.Damaged(d)
		}
	}
	s.held = s.held[:0]
}

// finish judges what lies between the last record and the limit.
func (s *Scanner) finish() {
	end := s.chunk.End
	if end.Chunk == 0 {
		// Where another chunk follows, what is missing is missing before it.
		s.torn = s.chunk.Until == 0 && (len(s.held) > 0 || !s.window.zeros(s.offset))
		return
	}
	switch {
	case s.next > end.Sequence:
	case s.chunk.Size < end.Offset:
		s.report(end.Sequence, fmt.Sprintf("the file has %d bytes, %d were synced", s.chunk.Size, end.Offset))
	default:
		s.report(end.Sequence, noRecord)
	}
}

const noRecord = "no whole record"

// report names the records from the expected one up to last as lost. Nothing
// is lost, and nothing said, where garbage stands between two neighbours.
func (s *Scanner) report(last uint64, what string) {
	if s.Damaged == nil || last < s.next {
		return
	}
	s.Damaged(s.lost(s.next, last, what))
}

// lost describes records between the last whole one and where the search for the
// next one has come to.
func (s *Scanner) lost(first, last uint64, what string) Damage {
	d := Damage{Offset: s.offset, First: first, Last: last, What: what}
	for _, f := range s.passed {
		if first <= f.sequence && f.sequence <= last {
			d.Kinds = append(d.Kinds, f.kind)
			first = f.sequence + 1 // a stray copy of a frame counts once
		}
	}
	return d
}
