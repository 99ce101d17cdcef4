package journal

import (
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// countsLost makes scan add to events those it finds to be lost.
func countsLost(scan *wal.Scanner, events *uint64) {
	tell := scan.Damaged
	scan.Damaged = func(d wal.Damage) {
		*events += lostEvents(d)
		if tell != nil {
			tell(d)
		}
	}
}

// lostEvents is how many of the records lost in one place are taken for events.
// Where only the payload is damaged the kind is known. All others count: what
// was stored must not go missing from the count, and most records are events.
func lostEvents(d wal.Damage) uint64 {
	events := d.Records()
	for _, kind := range d.Kinds {
		if store.Kind(kind) != store.KindEvent {
			events--
		}
	}
	return events
}

// recount returns how many events were stored in all, of which the last of the
// chunks has inLast. Headers that an older release made do not say how many are
// before them; it is filled in from what can be read. Where none says it, the
// count begins with the oldest record kept.
func (j *Journal) recount(chunks []wal.Listed, inLast uint64) uint64 {
	last := len(chunks) - 1
	if last < 0 {
		return 0
	}
	known := map[int]uint64{last: inLast}
	within := func(i int) uint64 {
		if _, ok := known[i]; !ok {
			known[i] = j.countChunk(&chunks[i])
		}
		return known[i]
	}
	if chunks[0].Tally == 0 {
		chunks[0].Tally = tally(countBack(chunks, within))
	}
	for i := 1; i <= last; i++ {
		if c := &chunks[i]; c.Tally == 0 {
			c.Tally = chunks[i-1].Tally + within(i-1)
		}
	}
	if len(known) > 1 {
		j.options.Log.Info("journal has counted the events of chunks that an older release made", "chunks", len(known)-1)
	}
	events, _ := before(&chunks[last].Header)
	return events + inLast
}

// countBack returns how many events were stored before the first of the chunks,
// from the first one that says how many were before it. That is zero where none
// does.
func countBack(chunks []wal.Listed, within func(int) uint64) uint64 {
	between := uint64(0)
	for i := range chunks {
		if events, stated := before(&chunks[i].Header); stated {
			return events - min(between, events)
		}
		if i < len(chunks)-1 {
			between += within(i)
		}
	}
	return 0
}

// countChunk reads how many events a sealed chunk was given.
func (j *Journal) countChunk(c *wal.Listed) (events uint64) {
	file, err := j.options.FS.Open(c.Name)
	if err != nil {
		return j.guessed(c, err)
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	scan.Damaged = func(d wal.Damage) { j.damage.record(c, d) }
	countsLost(scan, &events)
	for r, ok := scan.Next(); ok; r, ok = scan.Next() {
		if store.Kind(r.Kind) == store.KindEvent {
			events++
		}
	}
	if scan.Err() != nil {
		return j.guessed(c, scan.Err())
	}
	return events
}

// guessed takes all records of a chunk that cannot be read for events. It is
// better than a journal that does not open.
func (j *Journal) guessed(c *wal.Listed, err error) uint64 {
	j.options.Log.Error("journal chunk unreadable; all of its records are counted as events", "chunk", c.ID, "err", err)
	return max(c.Until, c.First) - c.First
}
