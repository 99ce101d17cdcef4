package journal

import (
	"context"
	"fmt"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// Records calls each with the synced records behind position after, as they
// stand in the journal, until it returns false. A payload is valid until each
// returns.
func (j *Journal) Records(ctx context.Context, after store.Position, each func(wal.Record) bool) error {
	return j.scan(ctx, after, func(_ *wal.Listed, r wal.Record) bool { return each(r) })
}

// Life names the journal and says which epoch it is in.
func (j *Journal) Life() (id string, epoch uint64) {
	active := j.view.Load().active.Header // what goes on being written
	return fmt.Sprintf("%x", active.Store), active.Epoch
}

// Known returns up to which position the records of an epoch are those of this
// journal, too. A position behind it that somebody was given in that epoch, in
// the journal this one is a copy of, is that of another record.
func (j *Journal) Known(epoch uint64) store.Position {
	v := j.view.Load()
	for i := range v.chunks() {
		if c := v.chunk(i); c.Epoch > epoch {
			return store.Position(c.First - 1)
		}
	}
	return store.Position(v.active.End.Sequence)
}

// Records reads the journal in a data directory, with or without a gateway that
// runs there, and calls each with every whole record, oldest first.
func Records(dir string, each func(wal.Record) error) (Report, error) {
	s, err := newSurvey(dir, func(Damage) {})
	if err != nil {
		return Report{}, err
	}
	err = s.walk(visitor{record: func(r wal.Record, _ store.Entry) error { return each(r) }})
	return s.report, err
}
