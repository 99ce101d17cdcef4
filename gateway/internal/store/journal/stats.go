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
	DedupBytes     int64  // of memory that they take, about
	Synced         store.Position

	MaxBytes    int64             // that the chunks may take
	HeldBytes   int64             // of Bytes, that removing what nobody needs would not free
	QueuedBytes int               // waiting to be written
	Warning     bool              // room runs out
	Refusing    bool              // there is no room for new events
	Evicted     map[string]uint64 // by follower: records removed although it needed them
}

// Stats returns the present state. It costs a statfs, and a read the first time.
func (j *Journal) Stats() Stats {
	v := j.view.Load()
	oldest, newest := v.bounds()
	s := Stats{
		Chunks: v.chunks(), Synced: newest, Oldest: j.oldest(oldest),
		Bytes: j.taken(v), HeldBytes: j.held(v), MaxBytes: j.options.MaxBytes,
		QueuedBytes: j.queue.queued(), Evicted: j.holds.counts(),
	}
	s.DedupKeys, s.DedupBytes = j.index.counts()
	s.Warning, s.Refusing = j.space.state()
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
