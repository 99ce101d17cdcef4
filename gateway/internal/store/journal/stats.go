package journal

import (
	"context"
	"time"

	"daybook.dev/gateway/internal/store"
)

// Stats is what a journal knows about itself, for metrics.
type Stats struct {
	Bytes          int64     // of all chunks
	FreeBytes      int64     // where they are; 0 when not known
	Oldest         time.Time // when the oldest record was received; zero: there is none
	Events         uint64    // records kept
	Chunks         int
	DamagedRecords uint64 // met since the start, each counted once
	TornTails      uint64 // 1 when the last run ended within a write
	DedupKeys      int    // remembered to recognise copies
	Synced         store.Position
}

// Stats returns the present state. It costs a statfs, and a read the first time.
func (j *Journal) Stats() Stats {
	v := j.view.Load()
	oldest, newest := v.bounds()
	s := Stats{Chunks: v.chunks(), Synced: newest, DedupKeys: j.index.keys(), Oldest: j.oldest(oldest)}
	for i := range v.chunks() {
		s.Bytes += v.chunk(i).Size
	}
	if oldest != 0 {
		s.Events = uint64(newest - oldest + 1)
	}
	if volume, err := j.options.FS.Volume(j.options.Dir); err == nil {
		s.FreeBytes = max(volume.Free, 0)
	}
	s.DamagedRecords, s.TornTails = j.damage.counts()
	return s
}

// received is when the record at a position was received.
type received struct {
	position store.Position
	at       time.Time
}

// oldest returns when the record at position was received. It is read once: the
// oldest record seldom changes.
func (j *Journal) oldest(position store.Position) time.Time {
	if position == 0 {
		return time.Time{}
	}
	if known := j.first.Load(); known != nil && known.position == position {
		return known.at
	}
	entries, err := j.Read(context.Background(), position-1, 1)
	if err != nil || len(entries) == 0 {
		return time.Time{} // closed or unreadable; the next call tries again
	}
	j.first.Store(&received{position: position, at: entries[0].Received})
	return entries[0].Received
}
