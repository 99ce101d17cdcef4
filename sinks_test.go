package daybook_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

func TestTeeWritesToAll(t *testing.T) {
	a, b := &memory{}, &memory{}
	s := daybook.Tee(a, b)
	if err := s.Write(t.Context(), named("1", "2")); err != nil || len(a.all()) != 2 || len(b.all()) != 2 {
		t.Errorf("%v: %d and %d events", err, len(a.all()), len(b.all()))
	}
	if err := s.Close(t.Context()); err != nil || a.closed != 1 || b.closed != 1 {
		t.Errorf("%v: closed %d and %d times", err, a.closed, b.closed)
	}
}

func TestTeeNeverHidesThatAWholeSinkFailed(t *testing.T) {
	partial := &daybook.PartialError{Failed: []daybook.Outcome{{ID: "1", Status: daybook.Refused}}}
	a := &memory{answer: func(context.Context, []daybook.Event) error { return partial }}
	b := &memory{answer: down}
	err := daybook.Tee(a, b).Write(t.Context(), named("1", "2"))
	if _, ok := errors.AsType[*daybook.PartialError](err); ok || daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("got %v: event 2 would be taken for delivered", err)
	}
	err = daybook.Tee(a, &memory{}).Write(t.Context(), named("1", "2"))
	if p, ok := errors.AsType[*daybook.PartialError](err); !ok || len(p.Failed) != 1 {
		t.Errorf("got %v, want the partial error", err)
	}
}

func TestFilterAndSampleKeepWhatTheyAreToldTo(t *testing.T) {
	m := &memory{}
	half := func(e daybook.Event) daybook.Decision { return daybook.Decision{Keep: e.ID != "2", Rate: 0.5} }
	s := daybook.Filter(daybook.Sample(daybook.Sample(m, half), half), func(e daybook.Event) bool { return e.ID != "1" })
	if err := s.Write(t.Context(), append(named("1", "2", "3"), daybook.Event{ID: "4", SampleRate: 0.1})); err != nil {
		t.Fatal(err)
	}
	got := m.all()
	if len(got) != 2 || got[0].SampleRate != 0.25 || got[1].SampleRate < 0.0249 || got[1].SampleRate > 0.0251 {
		t.Errorf("kept %+v", got)
	}
	if err := s.Write(t.Context(), named("1", "2")); err != nil || m.written() != 1 {
		t.Errorf("%v: nothing was written %d times", err, m.written()-1)
	}
}

func TestLogToWritesALineForEachEvent(t *testing.T) {
	var b bytes.Buffer
	e := daybook.Event{ID: "1", Name: "a", Type: daybook.Log, Actor: "ann", Time: time.Unix(0, 0).UTC(), Metadata: []byte(`{"n":1.50}`)}
	for _, c := range []struct {
		handler slog.Handler
		want    string
	}{
		{slog.NewJSONHandler(&b, nil), `"event_name":"a","event_id":"1","event_type":"log","event_time":"1970-01-01T00:00:00Z","actor_id":"ann","metadata":{"n":1.50}`},
		{slog.NewTextHandler(&b, nil), `event_name=a event_id=1 event_type=log event_time=1970-01-01T00:00:00.000Z actor_id=ann metadata="{\"n\":1.50}"`},
	} {
		b.Reset()
		if err := daybook.LogTo(slog.New(c.handler), slog.LevelInfo).Write(t.Context(), []daybook.Event{e}); err != nil || !strings.Contains(b.String(), c.want) {
			t.Errorf("%v: it wrote %s", err, b.String())
		}
		b.Reset()
		if err := daybook.LogTo(slog.New(c.handler), slog.LevelDebug).Write(t.Context(), []daybook.Event{e}); err != nil || b.Len() > 0 {
			t.Errorf("%v: a level that is off wrote %s", err, b.String())
		}
	}
}

func TestRetryWritesUntilEverythingIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := &memory{}, 0
		m.answers(func(_ context.Context, events []daybook.Event) error {
			if n++; n == 1 {
				m.take(events[:1])
				return &daybook.PartialError{Failed: []daybook.Outcome{{ID: "2", Status: daybook.Refused}, {ID: "3", Status: daybook.Failed}}}
			}
			if n < 4 {
				return errDown
			}
			return nil
		})
		err := daybook.Retry(m, daybook.RetryOptions{}).Write(t.Context(), named("1", "2", "3"))
		p, ok := errors.AsType[*daybook.PartialError](err)
		if !ok || len(p.Failed) != 1 || p.Failed[0].ID != "2" || p.Failed[0].Status != daybook.Refused {
			t.Errorf("got %v, want that 2 was refused", err)
		}
		if got := m.all(); len(got) != 2 || got[1].ID != "3" {
			t.Errorf("it has %+v", got)
		}
		m.answers(down)
		err = daybook.Retry(m, daybook.RetryOptions{Attempts: 2}).Write(t.Context(), named("1"))
		if p, ok := errors.AsType[*daybook.PartialError](err); !ok || p.Failed[0].Status != daybook.Failed {
			t.Errorf("after the last attempt it says %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := daybook.Retry(m, daybook.RetryOptions{}).Write(ctx, named("1")); err == nil {
			t.Error("when the context ended it said nil")
		}
	})
}

func TestBatchGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		s := daybook.Batch(m, daybook.BatchOptions{Events: 3, Age: time.Second})
		err := s.Write(t.Context(), []daybook.Event{{ID: "1", Name: "a"}, {ID: "bad", Name: "a", Metadata: []byte("x")}, {ID: "2", Name: "a"}})
		if p, ok := errors.AsType[*daybook.PartialError](err); !ok || p.Failed[0].ID != "bad" {
			t.Errorf("got %v, want that bad was refused", err)
		}
		synctest.Wait()
		if m.written() != 0 {
			t.Error("two events made a batch of three")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(m.all()) != 2 {
			t.Errorf("after a second it has %v", m.names())
		}
		_ = s.Write(t.Context(), []daybook.Event{{Name: "late"}})
		if err := s.Close(t.Context()); err != nil || !slices.Equal(m.names(), []string{"a", "a", "late"}) || m.closed != 1 {
			t.Errorf("Close said %v; it has %v", err, m.names())
		}
		if err := s.Write(t.Context(), named("1")); !errors.Is(err, daybook.ErrClosed) {
			t.Errorf("after Close Write says %v", err)
		}
	})
}

func TestSpoolKeepsWhatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	m := &memory{answer: down}
	first, err := daybook.Spool(m, daybook.SpoolOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Write(t.Context(), []daybook.Event{{ID: "1", Name: "a"}, {ID: "2", Name: "b"}}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	left, ok := errors.AsType[*daybook.UndeliveredError](first.Close(ended))
	if !ok || left.Spooled != 2 || left.Lost != 0 {
		t.Errorf("Close said %+v", left)
	}
	m.answers(nil)
	second, err := daybook.Spool(m, daybook.SpoolOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := m.all(); len(got) != 2 || got[0].ID != "1" || got[1].ID != "2" {
		t.Errorf("it has %+v", got)
	}
	if _, err := daybook.Spool(m, daybook.SpoolOptions{}); !errors.Is(err, daybook.ErrNoSpool) {
		t.Errorf("without a directory it says %v", err)
	}
}
