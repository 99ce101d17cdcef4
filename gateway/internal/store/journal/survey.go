package journal

import (
	"errors"
	"fmt"
	"os"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A Report is what a data directory holds.
type Report struct {
	Store    string // the journal's id, hexadecimal
	Epoch    uint64
	Chunks   int
	Bytes    int64 // of all chunks
	Records  map[store.Kind]uint64
	First    store.Position // of the oldest record; 0 = none
	Last     store.Position
	Oldest   time.Time // received, over all records; zero = none
	Newest   time.Time
	Damaged  uint64 // records lost, as far as it can be known
	KeyFiles int    // good ones; only Verify looks
	// Unfinished is how many bytes of an unfinished write follow the last
	// record. It is no damage: nobody was told yes for them.
	Unfinished int64
}

// A survey walks through the chunks of a directory without its lock. On the
// directory of a running gateway it may meet records whose sync is under way.
type survey struct {
	fs     wal.FS
	chunks []wal.Listed
	report Report
	found  func(Damage)

	next    uint64 // sequence expected in the next chunk; zero: any
	headers uint64 // damaged ones since the last chunk that could be read
}

func newSurvey(dir string, found func(Damage)) (*survey, error) {
	s := &survey{fs: wal.OS{}, found: found}
	s.report.Records = map[store.Kind]uint64{}
	chunks, err := wal.List(s.fs, chunkDirectory(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("journal: %s: no journal is kept here", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w", dir, err)
	}
	s.chunks = chunks
	return s, nil
}

// A visitor is called for every whole record, oldest first.
type visitor func(r wal.Record, e store.Entry) error

// walk takes visit to every record, and calls done after each chunk that can be
// read, with the number of records it has lost.
func (s *survey) walk(visit visitor, done func(c *wal.Listed, lost uint64) error) error {
	for i := range s.chunks {
		c := &s.chunks[i]
		s.report.Chunks++
		s.report.Bytes += c.Size
		if c.Err != nil {
			s.headers++
			s.found(headerOf(c))
			continue
		}
		s.report.Store, s.report.Epoch = fmt.Sprintf("%x", c.Store), c.Epoch
		s.between(c)
		before := s.report.Damaged
		if err := s.walkChunk(c, visit); err != nil {
			return fmt.Errorf("journal: %s: %w", c.Name, err)
		}
		if err := done(c, s.report.Damaged-before); err != nil {
			return err
		}
	}
	s.report.Damaged += s.headers
	return nil
}

// between looks at the sequences between the chunk before and c.
func (s *survey) between(c *wal.Listed) {
	missing := uint64(0)
	if s.next != 0 && c.First > s.next {
		missing = c.First - s.next
		lost := wal.Damage{First: s.next, Last: c.First - 1, What: "the records before this chunk are missing"}
		s.found(lostIn(c, lost))
	}
	s.report.Damaged += max(missing, s.headers)
	s.headers = 0
}

func (s *survey) walkChunk(c *wal.Listed, visit visitor) error {
	file, err := s.fs.Open(c.Name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	scan.Damaged = func(lost wal.Damage) { s.lost(c, lost) }
	for {
		r, ok := scan.Next()
		if !ok {
			break
		}
		record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
		if err != nil {
			s.lost(c, unparsed(r, err))
			continue
		}
		e := store.Entry{Position: store.Position(r.Sequence), Record: record}
		s.report.count(e)
		if err := visit(r, e); err != nil {
			return err
		}
	}
	if scan.Torn() {
		s.report.Unfinished = c.Size - scan.End().Offset
	}
	s.next = max(scan.End().Sequence, c.End.Sequence) + 1
	return scan.Err()
}

func (s *survey) lost(c *wal.Listed, lost wal.Damage) {
	s.report.Damaged += lost.Records()
	s.found(lostIn(c, lost))
}

// unparsed is the damage of a record whose bytes are right and mean nothing.
func unparsed(r wal.Record, err error) wal.Damage {
	return wal.Damage{Offset: r.Offset, First: r.Sequence, Last: r.Sequence, What: err.Error()}
}

func (p *Report) count(e store.Entry) {
	p.Records[e.Kind]++
	p.Last = e.Position
	if p.First == 0 {
		p.First = e.Position
	}
	if e.Received.IsZero() {
		return
	}
	if p.Oldest.IsZero() || e.Received.Before(p.Oldest) {
		p.Oldest = e.Received
	}
	if e.Received.After(p.Newest) {
		p.Newest = e.Received
	}
}
