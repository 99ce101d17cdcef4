package kafka

import (
	"cmp"
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/publish"
)

// Write produces events and waits until the brokers have acknowledged all, or
// until ctx or the sink's timeout ends. Events that were on their way then may
// still arrive.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	// An attempt does not end with the caller's context: the client would fail
	// what others have in the same partitions together with it.
	open, leave, err := s.gate.Enter(context.Background())
	if err != nil {
		return err
	}
	defer func() { leave() }()
	if err := ctx.Err(); err != nil || len(events) == 0 {
		return s.explain(err)
	}
	b, writable := publish.Encode(events, s.config.Encoding, &s.meter)
	records, size := s.records(b, writable, events)
	attempt, cancel := context.WithTimeout(open, s.config.Timeout)
	if err := s.enter(ctx, attempt, size); err != nil {
		cancel()
		return b.Result(s.explain(err))
	}
	done, ended := make(chan struct{}), leave
	leave = func() {} // the attempt does that
	go func() {
		defer ended()
		defer context.AfterFunc(open, s.release)() // Close waits no longer
		defer close(done)
		defer cancel()
		s.attempt(attempt, b, records, size)
	}()
	select {
	case <-done:
	case <-attempt.Done(): // the client notices at its leisure
	case <-ctx.Done():
	}
	return b.Result(s.explain(cmp.Or(ctx.Err(), attempt.Err())))
}

// record is one event's, with its place in the batch.
type record struct {
	kgo.Record
	index int
}

// records returns the records of the events that can be written, and the room
// they need. What is too large for any batch is settled here.
func (s *Sink) records(b *publish.Batch, writable []int, events []daybook.Event) (records []record, size int64) {
	const perRecord = 256 // what the client keeps of a record besides its bytes
	records = make([]record, 0, len(writable))
	for _, i := range writable {
		r := record{Record: kgo.Record{Key: s.key(&events[i]), Value: b.Messages[i].Value, Headers: headers(b.Messages[i])}, index: i}
		n := wireSize(&r.Record)
		if n > s.config.MaxMessageBytes {
			b.Settle(i, tooLarge(n, s.config.MaxMessageBytes))
			continue
		}
		records = append(records, r)
		size += int64(n) + perRecord
	}
	return records, min(size, int64(s.config.MaxBufferedBytes))
}

func (s *Sink) key(e *daybook.Event) []byte {
	text := ""
	switch s.config.Key {
	case KeyActor:
		text = e.Actor
	case KeyID:
		text = e.ID
	default:
	}
	if text == "" {
		return nil // an empty key would be one like any other
	}
	return []byte(text)
}

func headers(m sink.Message) []kgo.RecordHeader {
	if len(m.Attributes) == 0 {
		return nil
	}
	headers := make([]kgo.RecordHeader, 0, len(m.Attributes))
	for key, value := range m.Attributes {
		headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	return headers
}

// wireSize returns no less than a batch of this record alone takes before
// compression, and some bytes more at most.
func wireSize(r *kgo.Record) int {
	const batch, field = 61 + 1 + 5, 5 // a batch's header and a record's smallest parts; the longest length
	n := batch + 5*field + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += 2*field + len(h.Key) + len(h.Value)
	}
	return n
}

// enter waits for room until one of the contexts ends.
func (s *Sink) enter(ctx, attempt context.Context, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(attempt, cancel)()
	return s.room.Acquire(waiting, size)
}

// attempt delivers records, which hold size of the room, and settles all of
// them.
func (s *Sink) attempt(ctx context.Context, b *publish.Batch, records []record, size int64) {
	suspects := s.produce(ctx, b, pointers(records), false)
	s.room.Release(size)
	if len(suspects) == 0 {
		return
	}
	// What is refused takes everything in its partition with it, whoever wrote
	// it. Only in an empty client is the verdict about what was just sent.
	all := int64(s.config.MaxBufferedBytes)
	if err := s.room.Acquire(ctx, all); err != nil {
		for _, r := range suspects {
			b.Settle(r.index, s.explain(err))
		}
		return
	}
	defer s.room.Release(all)
	publish.Isolate(suspects, func(group []*record) []*record {
		return s.produce(ctx, b, group, len(group) == 1)
	})
}

func pointers(records []record) []*record {
	all := make([]*record, len(records))
	for i := range records {
		all[i] = &records[i]
	}
	return all
}

// produce sends records, waits for the brokers' answers and settles what they
// mean. It returns those that were refused for good while they were not alone.
func (s *Sink) produce(ctx context.Context, b *publish.Batch, records []*record, alone bool) (suspects []*record) {
	plain := make([]*kgo.Record, len(records))
	for i, r := range records {
		r.Context = nil //nolint:fatcontext // that of an attempt before goes
		plain[i] = &r.Record
	}
	results := s.client.ProduceSync(ctx, plain...)
	if results.FirstErr() == nil {
		for _, r := range records {
			b.Settle(r.index, nil)
		}
		return nil
	}
	index := make(map[*kgo.Record]*record, len(records))
	for _, r := range records {
		index[&r.Record] = r
	}
	for _, result := range results {
		r := index[result.Record]
		err := s.explain(result.Err)
		if publish.Permanent(err) && !alone {
			suspects = append(suspects, r)
			continue
		}
		b.Settle(r.index, err)
	}
	return suspects
}
