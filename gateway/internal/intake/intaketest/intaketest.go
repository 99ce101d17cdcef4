// Package intaketest is what the tests of the intakes share: a store that
// remembers, and golden cases of what goes over the wire.
//
// A case is a folder below test/wire/<protocol> with the request, the answer
// and what was stored. With -update the tests write what they see instead of
// comparing it.
package intaketest

import (
	"context"
	"slices"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Noon is when everything happens.
var Noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// A Recorder is a store in memory that deduplicates. The zero value works. It is
// safe for concurrent use; set the fields before the first append.
type Recorder struct {
	Fail   error  // what Append answers instead; nothing is stored then
	Queued func() // called when an append can no longer be called off; may be nil

	mu      sync.Mutex
	records []store.Record
}

// Records returns what was stored, oldest first.
func (s *Recorder) Records() []store.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Append implements store.Store.
func (s *Recorder) Append(ctx context.Context, records []store.Record) ([]store.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fail != nil {
		return nil, s.Fail
	}
	if err := ctx.Err(); err != nil {
		return nil, &daybook.Error{Code: daybook.Unavailable, Reason: "canceled", Message: "the request ended before the events were stored", Err: err}
	}
	if s.Queued != nil {
		s.Queued()
	}
	receipts := make([]store.Receipt, len(records))
	for i := range records {
		receipts[i] = s.append(&records[i])
	}
	return receipts, nil
}

func (s *Recorder) append(r *store.Record) store.Receipt {
	for i := range s.records {
		if !r.Unique() || !s.records[i].Unique() || s.records[i].Key() != r.Key() {
			continue
		}
		if s.records[i].Digest != r.Digest {
			return store.Receipt{Status: daybook.Refused, ID: r.Event.ID, Err: &daybook.Error{
				Code: daybook.Conflict, Field: "event_id", Reason: "conflict", Message: "the id was stored with other content",
			}}
		}
		return store.Receipt{Status: daybook.Duplicate, ID: r.Event.ID, Position: store.Position(i + 1)}
	}
	kept := *r
	kept.Event.Metadata = slices.Clone(r.Event.Metadata)
	s.records = append(s.records, kept)
	return store.Receipt{Status: daybook.Stored, ID: r.Event.ID, Position: store.Position(len(s.records))}
}

// Durability implements store.Store.
func (*Recorder) Durability() daybook.Durability { return daybook.Fsynced }

// Ready implements store.Store.
func (*Recorder) Ready(context.Context) error { return nil }

// Close implements store.Store.
func (*Recorder) Close(context.Context) error { return nil }

// Nowhere is a store that keeps nothing, so that what a benchmark measures is
// the rest.
type Nowhere struct{}

// Append implements store.Store.
func (Nowhere) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	receipts := make([]store.Receipt, len(records))
	for i := range records {
		receipts[i] = store.Receipt{Status: daybook.Stored, ID: records[i].Event.ID}
	}
	return receipts, nil
}

// Durability implements store.Store.
func (Nowhere) Durability() daybook.Durability { return daybook.Fsynced }

// Ready implements store.Store.
func (Nowhere) Ready(context.Context) error { return nil }

// Close implements store.Store.
func (Nowhere) Close(context.Context) error { return nil }
