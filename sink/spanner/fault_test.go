package spanner_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/spanner"
	"daybook.dev/sink/spanner/spannertest"
)

func wantCode(t *testing.T, err error, code daybook.Code, reason string) {
	t.Helper()
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok || e.Code != code || e.Reason != reason || e.Where != "spanner" {
		t.Fatalf("error is %v (%+v), want %v, %s", err, e, code, reason)
	}
	sinktest.CheckText(t, err)
}

// wantRefused fails the test unless err names one event, and why.
func wantRefused(t *testing.T, err error, id string, index int, reason string) {
	t.Helper()
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok || len(partial.Failed) != 1 {
		t.Fatalf("error is %v, want a partial one of %q", err, id)
	}
	o := partial.Failed[0]
	why, _ := errors.AsType[*daybook.Error](o.Err)
	if o.ID != id || o.Status != daybook.Refused || o.Reason != reason || why.Code != daybook.Invalid || why.Index != index {
		t.Errorf("outcome: %+v", o)
	}
	sinktest.CheckText(t, err)
}

// ask is the detail with which a server asks to wait.
func ask(code codes.Code, wait time.Duration) error {
	s, err := status.New(code, "words of the server").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

func TestR13EveryCodeHasItsClass(t *testing.T) {
	for code, want := range map[codes.Code]daybook.Code{
		codes.PermissionDenied: daybook.Denied, codes.Unauthenticated: daybook.Unauthenticated, codes.Unimplemented: daybook.Unimplemented,
		codes.ResourceExhausted: daybook.Exhausted, codes.NotFound: daybook.Unimplemented,
		codes.Aborted: daybook.Unavailable, codes.Unavailable: daybook.Unavailable,
		codes.DeadlineExceeded: daybook.Unavailable, codes.Canceled: daybook.Unavailable,
		codes.Internal: daybook.Internal, codes.Unknown: daybook.Internal, codes.DataLoss: daybook.Internal,
		codes.InvalidArgument: daybook.Invalid, codes.FailedPrecondition: daybook.Invalid, codes.OutOfRange: daybook.Invalid,
	} {
		t.Run(code.String(), func(t *testing.T) {
			fake := spannertest.StartFake(t)
			s, database := open(t, fake)
			fake.Fail(100, "Commit", status.Error(code, "words of the server"))
			err := s.Write(t.Context(), sinktest.Events("e", 3))
			if daybook.CodeOf(err) != want {
				t.Errorf("error is %v (%v), want %v", err, daybook.CodeOf(err), want)
			}
			if partial, ok := errors.AsType[*daybook.PartialError](err); ok != (want == daybook.Invalid) || ok && len(partial.Failed) != 3 {
				t.Errorf("error is %v", err)
			}
			if rows := stored(t, fake, database, "event_id"); len(rows) != 0 {
				t.Errorf("stored: %v", rows)
			}
		})
	}
}

func TestR13WhatPassesSoonIsWaitedForInside(t *testing.T) {
	for _, code := range []codes.Code{codes.Aborted, codes.Unavailable} {
		t.Run(code.String(), func(t *testing.T) {
			fake := spannertest.StartFake(t)
			s, database := open(t, fake)
			fake.Fail(3, "Commit", status.Error(code, "later"))
			if err := s.Write(t.Context(), sinktest.Events("e", 3)); err != nil || fake.Calls("Commit") != 4 {
				t.Errorf("error %v after %d calls", err, fake.Calls("Commit"))
			}
			if rows := stored(t, fake, database, "event_id"); len(rows) != 3 {
				t.Errorf("stored: %v", rows)
			}
		})
		t.Run(code.String()+" for long", func(t *testing.T) {
			fake := spannertest.StartFake(t)
			s, _ := open(t, fake)
			fake.Fail(100, "Commit", ask(code, time.Millisecond))
			wantCode(t, s.Write(t.Context(), sinktest.Events("e", 3)), daybook.Unavailable, "server_unavailable")
			if n := fake.Calls("Commit"); n != 5 {
				t.Errorf("%d calls, want a few", n)
			}
		})
	}
}

func TestR13WaitsThatTheServerAsksForAreHandedOn(t *testing.T) {
	for code, want := range map[codes.Code]daybook.Code{codes.ResourceExhausted: daybook.Exhausted, codes.Unavailable: daybook.Unavailable} {
		fake := spannertest.StartFake(t)
		s, _ := open(t, fake)
		fake.Fail(1, "Commit", ask(code, time.Hour))
		err := s.Write(t.Context(), sinktest.Events("e", 3))
		e, ok := errors.AsType[*daybook.Error](err)
		if !ok || e.Code != want || e.RetryAfter != time.Hour || fake.Calls("Commit") != 1 {
			t.Errorf("%v: error %+v after %d calls", code, e, fake.Calls("Commit"))
		}
	}
}

func TestR13AnAnswerThatIsLostAfterTheCommitDoublesNothing(t *testing.T) {
	const ingested = "ingested_at"
	t.Run("and the repetition inside finds the rows", func(t *testing.T) {
		fake := spannertest.StartFake(t)
		s, database := open(t, fake)
		fake.LoseAnswers(1, status.Error(codes.Unavailable, "connection lost"))
		if err := s.Write(t.Context(), sinktest.Events("e", 3)); err != nil {
			t.Fatal(err)
		}
		if rows := stored(t, fake, database, ingested); len(rows) != 3 {
			t.Errorf("stored: %v", rows)
		}
	})
	t.Run("and so does a later Write, which moves nothing", func(t *testing.T) {
		fake := spannertest.StartFake(t)
		s, database := open(t, fake)
		fake.LoseAnswers(1, status.Error(codes.Internal, "nobody knows"))
		events := sinktest.Events("e", 5)
		wantCode(t, s.Write(t.Context(), events[1:3]), daybook.Internal, "server_failed")
		before := stored(t, fake, database, "event_id", ingested)
		if len(before) != 2 {
			t.Fatalf("stored before the answer was lost: %v", before)
		}

		commits, reads := fake.Calls("Commit"), fake.Calls("Read")
		if err := s.Write(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		commits, reads = fake.Calls("Commit")-commits, fake.Calls("Read")-reads
		if commits != 2 || reads != 1 {
			t.Errorf("%d commits and %d reads, want one of them all, a look, and one of what is missing", commits, reads)
		}
		after := stored(t, fake, database, "event_id", ingested)
		if len(after) != 5 || fmt.Sprint(after[:2]) != fmt.Sprint(before) {
			t.Errorf("stored %v, and after the repetition %v", before, after)
		}
	})
}

func TestR13WritersOfTheSameEventsAtTheSameTimeDoubleNothing(t *testing.T) {
	for name, server := range servers(t) {
		t.Run(name, func(t *testing.T) {
			s, database := open(t, server)
			const writers = 6
			done := make(chan error)
			for w := range writers {
				go func() { // each a few of its own, and all that the others have
					events := append(sinktest.Events("shared", 10), sinktest.Events(fmt.Sprint("own", w), 3)...)
					err := s.Write(t.Context(), events)
					for err != nil && sinktest.Passing(err) {
						err = s.Write(t.Context(), events)
					}
					done <- err
				}()
			}
			for range writers {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if rows := stored(t, server, database, "event_id"); len(rows) != 10+writers*3 {
				t.Errorf("%d rows", len(rows))
			}
		})
	}
}

func TestR13ALostSessionIsReplaced(t *testing.T) {
	fake := spannertest.StartFake(t)
	s, _ := open(t, fake)
	for i := range 3 {
		if err := s.Write(t.Context(), sinktest.Events(fmt.Sprint(i), 2)); err != nil {
			t.Fatal(err)
		}
		fake.ForgetSessions()
	}
	if n := fake.Calls("CreateSession"); n != 3 {
		t.Errorf("%d sessions were made", n)
	}
}

func TestR13WhatIsMissingIsMisconfigured(t *testing.T) {
	for name, server := range servers(t) {
		t.Run(name, func(t *testing.T) {
			database := server.Database()
			s := openOn(t, spanner.Config{Database: database, Emulator: server.Address()})
			wantCode(t, s.Write(t.Context(), sinktest.Events("e", 3)), daybook.Unimplemented, "table_missing")

			s = openOn(t, spanner.Config{Database: database + "x", Emulator: server.Address()})
			wantCode(t, s.Write(t.Context(), sinktest.Events("e", 3)), daybook.Unimplemented, "database_missing")
			_, err := s.Missing(t.Context())
			wantCode(t, err, daybook.Unimplemented, "database_missing")
			wantCode(t, s.Create(t.Context()), daybook.Unimplemented, "database_missing")
		})
	}
}

func TestR13AHostThatNeverAnswersIsGivenUpInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // what connects is queued, and nobody accepts
	s := openOn(t, spanner.Config{
		Database: "projects/p/instances/i/databases/d", Emulator: silent.Addr().String(), Timeout: 200 * time.Millisecond,
	})
	wantCode(t, s.Write(t.Context(), sinktest.Events("e", 1)), daybook.Unavailable, "server_unavailable")
}

func TestEventsThatTheTableRefusesAreNamedAndTheOthersAreStored(t *testing.T) {
	emulator := spannertest.StartEmulator(t)
	for name, c := range map[string]struct {
		bad    daybook.Event
		code   daybook.Code
		reason string
	}{
		"longer than the column":      {daybook.Event{Name: strings.Repeat("n", 201)}, daybook.Invalid, "value_not_storable"},
		"against a constraint":        {daybook.Event{Name: "forbidden"}, daybook.Invalid, "constraint_violated"},
		"a value that must be unique": {daybook.Event{Name: "a", Type: "taken"}, daybook.Conflict, "unique_violated"},
		"metadata that is no JSON":    {daybook.Event{Name: "a", Metadata: []byte(`{no`)}, daybook.Invalid, "value_not_storable"},
		"text that is not UTF-8":      {daybook.Event{Name: "a", Actor: "\xff"}, daybook.Invalid, "text_not_storable"},
		"metadata not in UTF-8":       {daybook.Event{Name: "a", Metadata: []byte("{\"a\":\"\xff\"}")}, daybook.Invalid, "text_not_storable"},
		"a time before all times":     {daybook.Event{Name: "a", Time: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)}, daybook.Invalid, "invalid_time"},
		"a time after all times":      {daybook.Event{Name: "a", Time: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600))}, daybook.Invalid, "invalid_time"},
	} {
		t.Run(name, func(t *testing.T) {
			database := emulator.Database()
			emulator.Exec(database, strings.NewReplacer(
				"event_name STRING(MAX)", "event_name STRING(200)", "metadata_text STRING(MAX),\n", "CHECK (event_name != 'forbidden'),\n",
			).Replace(ddl), "CREATE UNIQUE NULL_FILTERED INDEX OneType ON NestEventLog (event_type)")
			s := openOn(t, spanner.Config{Database: database, Emulator: emulator.Address()})
			if err := s.Write(t.Context(), []daybook.Event{{ID: "first", Name: "a", Type: "taken"}}); err != nil {
				t.Fatal(err)
			}
			events := sinktest.Events("good", 20)
			for i := range events {
				events[i].Type = ""
			}
			c.bad.ID = "bad-" + sinktest.Canary
			events[13] = c.bad
			err := s.Write(t.Context(), events)
			partial, ok := errors.AsType[*daybook.PartialError](err)
			if !ok || len(partial.Failed) != 1 {
				t.Fatalf("error is %v", err)
			}
			sinktest.CheckText(t, partial.Failed[0].Err)
			why, _ := errors.AsType[*daybook.Error](partial.Failed[0].Err)
			if why.Code != c.code || why.Reason != c.reason || why.Index != 13 {
				t.Errorf("outcome: %+v", why)
			}
			if rows := stored(t, emulator, database, "event_id"); len(rows) != 20 {
				t.Errorf("%d rows", len(rows))
			}
		})
	}
}

func TestMetadataThatIsRefusedUnforeseenIsKeptAsText(t *testing.T) {
	for name, server := range servers(t) {
		t.Run(name, func(t *testing.T) {
			s, database := open(t, server)
			events := append(sinktest.Events("e", 5), daybook.Event{ID: "odd", Name: "a", Metadata: []byte(`{no`)})
			if err := s.Write(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			texts := 0
			for _, r := range stored(t, server, database, "metadata_text") {
				if r[0] == `{no` {
					texts++
				}
			}
			if texts != 1 {
				t.Errorf("%d rows have the text", texts)
			}
		})
	}
}

func TestAColumnThatIsDroppedIsMissedAndThenDoneWithout(t *testing.T) {
	emulator := spannertest.StartEmulator(t)
	s, database := open(t, emulator)
	odd := func(id string) []daybook.Event {
		return []daybook.Event{{ID: id, Name: "a", Metadata: []byte(`{"n":1e400}`)}}
	}
	if err := s.Write(t.Context(), odd("before")); err != nil {
		t.Fatal(err)
	}
	emulator.Exec(database, "ALTER TABLE NestEventLog DROP COLUMN metadata_text")
	wantCode(t, s.Write(t.Context(), odd("during")), daybook.Unimplemented, "table_missing")
	wantRefused(t, s.Write(t.Context(), odd("after")), "after", 0, "numbers_not_storable")
}

func TestALargeWriteIsSeveralCommits(t *testing.T) {
	large := sinktest.Events("e", 20)
	for i := range large {
		large[i].Metadata = []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)
	}
	for name, c := range map[string]struct {
		indexes int
		events  []daybook.Event
		commits int
	}{
		"more mutations than one takes": {0, sinktest.Events("e", 5_001), 2}, // 80,000 / (8 columns + 8 indexes)
		"more indexes":                  {792, sinktest.Events("e", 401), 5}, // 80,000 / (8 + 792)
		"more bytes":                    {0, large, 2},
	} {
		t.Run(name, func(t *testing.T) {
			fake := spannertest.StartFake(t)
			_, database := open(t, fake)
			s := openOn(t, spanner.Config{Database: database, Emulator: fake.Address(), Indexes: c.indexes})
			if err := s.Write(t.Context(), c.events); err != nil {
				t.Fatal(err)
			}
			if rows := stored(t, fake, database, "event_id"); len(rows) != len(c.events) || fake.Calls("Commit") != c.commits {
				t.Errorf("%d rows in %d commits", len(rows), fake.Calls("Commit"))
			}
		})
	}
}

func TestARowHasWhatTheEventHas(t *testing.T) {
	for name, server := range servers(t) {
		t.Run(name, func(t *testing.T) {
			s, database := open(t, server)
			full := sinktest.Event("0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001")
			full.Metadata = []byte(`{"a":1}`)
			far := daybook.Event{ID: "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0002", Name: "far", Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}
			start := time.Now()
			if err := s.Write(context.WithoutCancel(t.Context()), []daybook.Event{full, far}); err != nil {
				t.Fatal(err)
			}
			rows := stored(t, server, database, "event_id", "event_name", "event_type", "actor_id", "event_ts", "metadata", "metadata_text", "ingested_at")
			for i, want := range [][]string{
				{full.ID, "login-success", "behavioral", full.Actor, "2026-11-21T09:35:43.123456Z", `{"a":1}`, "NULL"},
				{far.ID, "far", "NULL", "NULL", "9999-12-31T23:59:59.999999999Z", "NULL", "NULL"},
			} {
				got, ingested := rows[i][:7], rows[i][7]
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("row: %q\nwant %q", got, want)
				}
				if at, err := time.Parse(time.RFC3339Nano, ingested); err != nil || at.Sub(start).Abs() > time.Minute {
					t.Errorf("ingested_at: %s, %v", ingested, err)
				}
			}
		})
	}
}

func TestAnEventWithoutAnIDIsARowOfItsOwn(t *testing.T) {
	fake := spannertest.StartFake(t)
	s, database := open(t, fake)
	for range 2 {
		if err := s.Write(t.Context(), []daybook.Event{{Name: "a"}, {Name: "b"}}); err != nil {
			t.Fatal(err)
		}
	}
	if rows := stored(t, fake, database, "event_id"); len(rows) != 4 {
		t.Errorf("rows: %v", rows)
	}
}

func TestAnEventTwiceInOneWriteCostsNoSecondCommit(t *testing.T) {
	fake := spannertest.StartFake(t)
	s, database := open(t, fake)
	if err := s.Write(t.Context(), append(sinktest.Events("e", 3), sinktest.Events("e", 2)...)); err != nil {
		t.Fatal(err)
	}
	if rows := stored(t, fake, database, "event_id"); len(rows) != 3 || fake.Calls("Commit") != 1 {
		t.Errorf("%d rows in %d commits", len(rows), fake.Calls("Commit"))
	}
}
