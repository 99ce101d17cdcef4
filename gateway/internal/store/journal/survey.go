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
	Used     int64 // of Bytes, up to each chunk's last record; behind it is room
	Records  map[store.Kind]uint64
	First    store.Position // of the oldest record; 0 = none
	Last     store.Position
	Begin    store.Position // what a record at the very beginning would have, and
	Next     store.Position // behind the end: First and Last say what was found in between
	Oldest   time.Time      // received, over all records; zero = none
	Newest   time.Time
	Stored   uint64 // events ever, those no longer kept and those that are lost included
	Damaged  uint64 // records lost, as far as it can be known
	Gaps     []Gap  // records given up earlier, which a header states; no damage
	KeyFiles int    // good ones; only Verify looks
	// Unfinished is how many bytes of an unfinished write follow the last
	// record. It is no damage: nobody was told yes for them.
	Unfinished int64
}

// A Gap is a run of sequences that a chunk's header says nobody will find: a
// repair left the records out, or a chunk whose header was lost may have held
// them.
type Gap struct{ First, Last uint64 }

// Records is how many sequences the gap has.
func (g Gap) Records() uint64 { return g.Last - g.First + 1 }

// A survey walks through the chunks of a directory without its lock. On the
// directory of a running gateway it may meet records whose sync is under way.
type survey struct {
	fs     wal.FS
	chunks []wal.Listed
	report Report
	found  func(Damage)
	flawed func(*wal.Listed, wal.Flaw) // nil = nobody asks
	census census

	next    uint64 // sequence expected in the next chunk; zero: any
	last    uint64 // id of the last chunk that could be read; zero: none yet
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
	s.chunks, s.census = chunks, newCensus(chunks)
	return s, nil
}

// A visitor is shown what a walk finds, oldest first. Each function may be nil.
type visitor struct {
	begin  func(c *wal.Listed) error // before the records of a chunk that can be read
	record func(r wal.Record, e store.Entry) error
	end    func(c *wal.Listed, lost uint64) error // behind them; lost is how many are damaged
}

// walk takes v to every chunk and every whole record.
func (s *survey) walk(v visitor) error {
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
		s.census.begin(s.chunks[i:], func() uint64 { return s.wholeEvents(c) })
		err := s.visit(c, v)
		if errors.Is(err, errRemoved) {
			// A gateway that runs has removed it since it was listed, as one of
			// the oldest: what follows has nothing before it.
			s.report.Chunks, s.report.Bytes, s.report.Begin, s.next = s.report.Chunks-1, s.report.Bytes-c.Size, 0, 0
			continue
		}
		if err != nil {
			return err
		}
	}
	s.report.Damaged += s.headers
	s.report.Stored = s.census.events
	return nil
}

// errRemoved means that a chunk is gone since it was listed.
var errRemoved = errors.New("removed")

func (s *survey) visit(c *wal.Listed, v visitor) error {
	before := s.report.Damaged
	if err := s.walkChunk(c, v); err != nil {
		return fmt.Errorf("journal: %s: %w", c.Name, err)
	}
	if v.end == nil {
		return nil
	}
	return v.end(c, s.report.Damaged-before)
}

// between looks at the sequences between the chunk before and c.
func (s *survey) between(c *wal.Listed) {
	missing := uint64(0)
	switch {
	case s.next == 0 || c.First <= s.next:
	case s.headers == 0 && c.Prev.Chunk == s.last && c.Prev.Sequence+1 == s.next:
		// The header names the last record before it, and that is the one read
		// last: whoever wrote it knew that the sequences in between are gone.
		s.report.Gaps = append(s.report.Gaps, Gap{First: s.next, Last: c.First - 1})
	default:
		missing = c.First - s.next
		lost := wal.Damage{First: s.next, Last: c.First - 1, What: "the records before this chunk are missing"}
		s.found(lostIn(c, lost))
	}
	s.report.Damaged += max(missing, s.headers)
	s.headers, s.last = 0, c.ID
	if s.report.Begin == 0 {
		s.report.Begin = store.Position(c.First)
	}
}

func (s *survey) walkChunk(c *wal.Listed, v visitor) error {
	file, err := s.fs.Open(c.Name)
	if errors.Is(err, os.ErrNotExist) {
		return errRemoved
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if v.begin != nil {
		if err := v.begin(c); err != nil {
			return err
		}
	}
	scan := wal.Scan(file, *c)
	scan.Damaged = func(lost wal.Damage) {
		s.census.lost(lost)
		s.lost(c, lost)
	}
	if s.flawed != nil {
		scan.Flawed = func(f wal.Flaw) { s.flawed(c, f) }
	}
	for {
		r, ok := scan.Next()
		if !ok {
			break
		}
		record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
		if err != nil {
			s.census.record(r.Kind)
			s.lost(c, unparsed(r, err))
			continue
		}
		e := store.Entry{Position: store.Position(r.Sequence), Record: record}
		s.report.count(e)
		if v.record != nil {
			if err := v.record(r, e); err != nil {
				return err
			}
		}
		s.census.record(r.Kind)
	}
	s.report.Used += scan.End().Offset
	if scan.Torn() {
		s.report.Unfinished = c.Size - scan.End().Offset
	}
	s.next = max(scan.End().Sequence, c.End.Sequence) + 1
	s.report.Next = store.Position(s.next)
	return scan.Err()
}

// wholeEvents counts the events of a chunk that can be read. Where the chunk
// cannot, whoever walks through it says so.
func (s *survey) wholeEvents(c *wal.Listed) (events uint64) {
	file, err := s.fs.Open(c.Name)
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	for r, ok := scan.Next(); ok; r, ok = scan.Next() {
		if store.Kind(r.Kind) == store.KindEvent {
			events++
		}
	}
	return events
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
