package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

func contextEnded(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

func runFollows(t *testing.T, open Open, traits Traits) {
	t.Run("an empty store has no bounds and nothing to read", func(t *testing.T) {
		f := follower(t, open(t))
		if oldest, newest := f.Bounds(); oldest != 0 || newest != 0 {
			t.Errorf("bounds %d to %d", oldest, newest)
		}
		if entries := ReadAll(t, f, 10); len(entries) != 0 {
			t.Errorf("read %d entries", len(entries))
		}
	})
	t.Run("every part of every kind of record is read back as it was", func(t *testing.T) { testKinds(t, open) })
	t.Run("reading in small steps gives every record once, in order", func(t *testing.T) {
		s := open(t)
		records := Events("a", 25)
		for i := range records {
			appendAll(t, s, records[i:i+1])
		}
		compare(t, ReadAll(t, follower(t, s), 3), records)
	})
	t.Run("wait returns when a record is stored", func(t *testing.T) { testWait(t, open) })
	t.Run("wait ends with its context, and with the store", func(t *testing.T) { testWaitEnds(t, open) })
	t.Run("seek finds the first record received at or after a time", func(t *testing.T) { testSeek(t, open) })
	if traits.SurvivesReopen {
		t.Run("positions and records are the same after a restart", func(t *testing.T) {
			s := open(t)
			appendAll(t, s, Events("a", 5))
			before := ReadAll(t, follower(t, s), 10)
			s = reopen(t, s, open)
			appendAll(t, s, Events("b", 5))
			after := ReadAll(t, follower(t, s), 10)
			compare(t, after, append(Events("a", 5), Events("b", 5)...))
			if !reflect.DeepEqual(before, after[:5]) {
				t.Errorf("before %v\nafter %v", before, after[:5])
			}
		})
	}
}

func follower(t *testing.T, s store.Store) store.Follower {
	t.Helper()
	f, ok := s.(store.Follower)
	if !ok {
		t.Fatalf("%T is no store.Follower", s)
	}
	return f
}

// ReadAll reads everything there is, max records at a time.
func ReadAll(t testing.TB, f store.Follower, max int) []store.Entry {
	t.Helper()
	var all []store.Entry
	var after store.Position
	for {
		entries, err := f.Read(t.Context(), after, max)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return all
		}
		if len(entries) > max {
			t.Fatalf("read %d entries, asked for %d", len(entries), max)
		}
		for _, e := range entries {
			if e.Position <= after {
				t.Fatalf("position %d follows %d", e.Position, after)
			}
			after = e.Position
		}
		all = append(all, entries...)
	}
}

func compare(t *testing.T, entries []store.Entry, records []store.Record) {
	t.Helper()
	if len(entries) != len(records) {
		t.Fatalf("read %d records, want %d", len(entries), len(records))
	}
	for i := range records {
		if !reflect.DeepEqual(entries[i].Record, records[i]) {
			t.Errorf("record %d is\n%+v\nwant\n%+v", i, entries[i].Record, records[i])
		}
	}
}

func testKinds(t *testing.T, open Open) {
	full := Event("c", "full")
	full.Scope, full.Event.IdempotencyKey, full.Event.SampleRate = "publisher", "once", 0.25
	bare := store.Record{Kind: store.KindEvent, Event: daybook.Event{ID: "bare"}}
	refused := Event("c", "refused")
	refused.Kind = store.KindRefused
	refused.Refusal = &store.Refusal{
		Destination: "kafka", Attempts: 3, Code: daybook.Invalid, Reason: "blank_name", Field: "event_name", Message: "event_name is blank",
	}
	records := []store.Record{
		full, bare, refused,
		{Kind: store.KindSettled, Event: daybook.Event{ID: "full"}, Settlement: &store.Settlement{
			Position: 1, Destination: "statsig", Status: daybook.Failed, Reason: "timeout",
		}},
		{Kind: store.KindSummary, Summary: []store.Count{
			{Caller: "c", Status: daybook.Stored, Events: 12}, {Caller: "d", Status: daybook.Dropped, Reason: "rule", Events: 1 << 40},
		}},
	}
	s := open(t)
	appendAll(t, s, records)
	compare(t, ReadAll(t, follower(t, s), 10), records)
}

func testWait(t *testing.T, open Open) {
	s := open(t)
	f := follower(t, s)
	waited := make(chan error, 1)
	go func() { waited <- f.Wait(t.Context(), 0) }()
	receipt := appendAll(t, s, Events("a", 1))[0]
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	if err := f.Wait(t.Context(), receipt.Position-1); err != nil {
		t.Error("a record that is there already:", err)
	}
	if _, newest := f.Bounds(); newest != receipt.Position {
		t.Errorf("newest is %d, stored at %d", newest, receipt.Position)
	}
}

func testWaitEnds(t *testing.T, open Open) {
	s := open(t)
	f := follower(t, s)
	ctx, cancel := contextEnded(t)
	defer cancel()
	if err := f.Wait(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- f.Wait(t.Context(), 0) }()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func testSeek(t *testing.T, open Open) {
	s := open(t)
	f := follower(t, s)
	records := Events("a", 10) // received a second apart
	for i := range records {
		appendAll(t, s, records[i:i+1])
	}
	for i, r := range records {
		for _, early := range []time.Duration{0, time.Millisecond} {
			at, err := f.Seek(t.Context(), r.Received.Add(-early))
			if err != nil {
				t.Fatal(err)
			}
			entries, err := f.Read(t.Context(), at, 1)
			if err != nil || len(entries) != 1 || entries[0].Event.ID != records[i].Event.ID {
				t.Fatalf("seek %d: position %d reads %v, %v", i, at, entries, err)
			}
		}
	}
	at, err := f.Seek(t.Context(), records[9].Received.Add(time.Nanosecond))
	if _, newest := f.Bounds(); err != nil || at != newest {
		t.Errorf("seek behind the end: %d, %v, want %d", at, err, newest)
	}
}
