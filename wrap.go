package daybook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"daybook.dev/internal/spool"
)

// Batch returns a sink that gathers events in memory and writes them to s
// together. Nil from Write means that they are in memory; what cannot be
// written is tried again, and Close says in an [*UndeliveredError] what was
// lost. It is for sinks outside of a client, which batches by itself.
func Batch(s Sink, o BatchOptions) Sink {
	cfg := Config{Batch: o.orDefault(), Queue: QueueOptions{WhenFull: DropNewest}.orDefault(), Retry: RetryOptions{}.orDefault()}
	sink := newLaneSink(cfg, s)
	sink.start()
	return sink
}

// Spool returns a sink that writes events to disk before it writes them to s.
// Nil from Write means that they are fsynced: they reach s in this process or in
// the next one that opens the same directory. The error is for a directory that
// cannot be used. It is for sinks outside of a client, which spools by itself.
func Spool(s Sink, o SpoolOptions) (Sink, error) {
	o = o.orDefault()
	if o.Dir == "" {
		return nil, ErrNoSpool
	}
	cfg := Config{Spool: o, Batch: BatchOptions{}.orDefault(), Queue: QueueOptions{}.orDefault(), Retry: RetryOptions{}.orDefault()}
	sink := newLaneSink(cfg, s)
	kept, err := spool.Open(spool.Options{Dir: o.Dir, Bytes: o.Bytes, Age: o.Age, Evicted: sink.lane.evicted})
	if err != nil {
		return nil, &Error{Code: Unavailable, Where: "spool", Reason: "unusable", Message: "the spool's directory cannot be used", Err: err}
	}
	sink.lane.spool = kept
	sink.lane.adopt()
	sink.start()
	return sink, nil
}

// A laneSink is a lane by itself, as a sink.
type laneSink struct {
	lane  *lane
	state *state

	closeOnce sync.Once
	closeErr  error
}

// newLaneSink returns a lane that nobody may use before start.
func newLaneSink(cfg Config, s Sink) *laneSink {
	cfg.Logger = slog.New(slog.DiscardHandler) // who writes is told by errors
	co := &core{retired: map[string]counters{}}
	l := co.newLane("sink", hold(s), nil)
	st := &state{cfg: cfg, lanes: []*lane{l}}
	co.state.Store(st)
	return &laneSink{lane: l, state: st}
}

func (s *laneSink) start() { s.lane.configure(&s.state.cfg, &noSettings) }

// Write implements [Sink].
func (s *laneSink) Write(_ context.Context, events []Event) error {
	e := drafts.Get().(*draft)
	defer e.release()
	var failed []Outcome
	var records [][]byte
	for i := range events {
		record, bad := s.state.complete(nil, e, events[i], i)
		if bad != nil {
			failed = append(failed, Outcome{ID: events[i].ID, Status: Refused, Reason: bad.Reason, Err: bad})
			continue
		}
		if s.lane.spool != nil {
			records = append(records, record)
			continue
		}
		switch s.lane.put(record) {
		case putGone:
			return ErrClosed
		case putFull:
			failed = append(failed, Outcome{ID: events[i].ID, Status: Failed, Reason: queueFull.String(), Err: ErrFull})
		}
	}
	if len(records) > 0 {
		if err := s.lane.save(records); err != nil {
			if s.lane.isRefusing() {
				return ErrClosed
			}
			return err
		}
	}
	if failed != nil {
		return &PartialError{Failed: failed}
	}
	return nil
}

// Close implements [Sink].
func (s *laneSink) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		left := closeAll(ctx, s.state.lanes, closed)
		s.closeErr = left.orNil()
	})
	return s.closeErr
}

// Retry returns a sink that writes to s again and again until s has taken every
// event, or refused it, or ctx ends, or o.Attempts were made. Write waits
// meanwhile. It is for sinks outside of a client, which tries again by itself.
func Retry(s Sink, o RetryOptions) Sink { return &retrier{Sink: s, o: o.orDefault()} }

type retrier struct {
	Sink
	o RetryOptions
}

// Write implements [Sink]. A *PartialError names the events that were refused,
// and those that were not taken when it gave up.
func (r *retrier) Write(ctx context.Context, events []Event) error {
	left := make([]int, len(events))
	for i := range left {
		left[i] = i
	}
	var failed []Outcome
	for attempt := 1; ; attempt++ {
		batch := make([]Event, len(left))
		for i, at := range left {
			batch[i] = events[at]
		}
		var s settled
		s.try(ctx, r.Sink, batch, 0)
		for _, i := range s.lost {
			failed = append(failed, Outcome{ID: batch[i].ID, Status: Refused, Err: asError(s.err)})
		}
		for n, i := range s.again {
			left[n] = left[i]
		}
		left = left[:len(s.again)]
		if len(left) == 0 {
			break
		}
		if r.o.Attempts > 0 && attempt >= r.o.Attempts || !sleep(ctx, r.o.wait(attempt, s.misconfigured, s.wait)) {
			for _, at := range left {
				failed = append(failed, Outcome{ID: events[at].ID, Status: Failed, Err: asError(s.err)})
			}
			break
		}
	}
	if failed != nil {
		return &PartialError{Failed: failed}
	}
	return nil
}

// sleep waits, and reports whether ctx has let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
