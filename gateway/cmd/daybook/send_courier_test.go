package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

// An attempt is one answer of a scripted gateway: outcomes for the lines it is
// sent, in order, or an error for all of them.
type attempt struct {
	statuses string // one letter each: s(tored), d(uplicate), r(efused), f(ailed)
	err      error
}

// scripted returns a send function that gives the attempts in turn, and the
// lines it was sent.
func scripted(attempts ...attempt) (send func(context.Context, [][]byte) ([]daybook.Outcome, error), sent *[]string) {
	sent = new([]string)
	letters := map[rune]daybook.Status{'s': daybook.Stored, 'd': daybook.Duplicate, 'r': daybook.Refused, 'f': daybook.Failed}
	return func(ctx context.Context, lines [][]byte) ([]daybook.Outcome, error) {
		var texts []string
		for _, l := range lines {
			texts = append(texts, string(l))
		}
		*sent = append(*sent, strings.Join(texts, " "))
		now := attempts[min(len(*sent), len(attempts))-1]
		if now.err != nil {
			return nil, now.err
		}
		var outcomes []daybook.Outcome
		var failed []daybook.Outcome
		for i, letter := range now.statuses {
			o := daybook.Outcome{Status: letters[letter]}
			if letter == 'f' || letter == 'r' {
				o.Err = &daybook.Error{Code: map[rune]daybook.Code{'f': daybook.Exhausted, 'r': daybook.Invalid}[letter], Index: i}
				failed = append(failed, o)
			}
			outcomes = append(outcomes, o)
		}
		if failed != nil {
			return outcomes, &daybook.PartialError{Failed: failed}
		}
		return outcomes, nil
	}, sent
}

// batchOf returns lines whose texts are the words.
func batchOf(words ...string) (lines []line) {
	for i, word := range words {
		lines = append(lines, line{number: i + 1, text: []byte(word)})
	}
	return lines
}

func TestCourierDelivers(t *testing.T) {
	away := &daybook.Error{Code: daybook.Unavailable, Reason: "unreachable"}
	large := &daybook.Error{Code: daybook.TooLarge, Reason: "body_too_large"}
	for _, c := range []struct {
		name     string
		attempts []attempt
		sent     []string
		reported string
		waits    int
		code     daybook.Code
	}{
		{
			"everything at once",
			[]attempt{{statuses: "sdr"}},
			[]string{"a b c"},
			"1 stored, 2 duplicate, 3 refused", 0, daybook.OK,
		},
		{
			"through an outage, with the same lines",
			[]attempt{{err: away}, {err: away}, {statuses: "dds"}},
			[]string{"a b c", "a b c", "a b c"},
			"1 duplicate, 2 duplicate, 3 stored", 2, daybook.OK,
		},
		{
			"what failed alone",
			[]attempt{{statuses: "sfr"}, {statuses: "s"}},
			[]string{"a b c", "b"},
			"1 stored, 3 refused, 2 stored", 1, daybook.OK,
		},
		{
			"in parts what is too large for one request",
			[]attempt{{err: large}, {statuses: "s"}, {err: large}, {statuses: "s"}, {statuses: "d"}},
			[]string{"a b c", "a", "b c", "b", "c"},
			"1 stored, 2 stored, 3 duplicate", 0, daybook.OK,
		},
		{
			"the others where one line is too large by itself",
			[]attempt{{err: large}, {statuses: "s"}, {err: large}, {err: large}, {statuses: "s"}},
			[]string{"a b c", "a", "b c", "b", "c"},
			"1 stored, 2 refused, 3 stored", 0, daybook.OK,
		},
		{
			"no part more when the first cannot be delivered",
			[]attempt{{err: large}, {err: &daybook.Error{Code: daybook.Unauthenticated}}},
			[]string{"a b c", "a"},
			"1 unknown, 2 unknown, 3 unknown", 0, daybook.Unauthenticated,
		},
		{
			"nothing to a gateway that does not know the key",
			[]attempt{{err: &daybook.Error{Code: daybook.Unauthenticated}}},
			[]string{"a b c"},
			"1 unknown, 2 unknown, 3 unknown", 0, daybook.Unauthenticated,
		},
		{
			"nothing to what is no gateway",
			[]attempt{{err: &daybook.Error{Code: daybook.Unimplemented}}},
			[]string{"a b c"},
			"1 unknown, 2 unknown, 3 unknown", 0, daybook.Unimplemented,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				send, sent := scripted(c.attempts...)
				var reported []string
				waits := 0
				courier := courier{
					send: send, retryFor: time.Minute, waiting: func(error) { waits++ },
					report: func(l line, o daybook.Outcome) { reported = append(reported, fmt.Sprintf("%d %v", l.number, o.Status)) },
				}

				err := courier.deliver(t.Context(), batchOf("a", "b", "c"))

				if daybook.CodeOf(err) != c.code || waits != c.waits {
					t.Errorf("error %v after %d waits, want code %v after %d", err, waits, c.code, c.waits)
				}
				if !reflect.DeepEqual(*sent, c.sent) {
					t.Errorf("sent %q, want %q", *sent, c.sent)
				}
				if got := strings.Join(reported, ", "); got != c.reported {
					t.Errorf("reported %s, want %s", got, c.reported)
				}
			})
		})
	}
}

func TestCourierGivesUp(t *testing.T) {
	away := &daybook.Error{Code: daybook.Unavailable}
	slow := &daybook.Error{Code: daybook.Exhausted, RetryAfter: 20 * time.Second}
	for _, c := range []struct {
		name        string
		attempts    []attempt
		least, most time.Duration
		attemptsMin int
	}{
		{"when retry-for has passed", []attempt{{err: away}}, 50 * time.Second, time.Minute, 12},
		{"and waits as long as the gateway asks for", []attempt{{err: slow}}, 40 * time.Second, time.Minute, 3},
		{"later when there was progress", []attempt{{err: slow}, {err: slow}, {statuses: "sf"}, {err: away}}, 90 * time.Second, 2 * time.Minute, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				send, sent := scripted(c.attempts...)
				lost := 0
				courier := courier{
					send: send, retryFor: time.Minute, waiting: func(error) {},
					report: func(_ line, o daybook.Outcome) {
						if o.Err == nil && o.Status != daybook.Stored {
							t.Error("reported without a reason")
						}
						lost++
					},
				}
				began := time.Now()

				err := courier.deliver(t.Context(), batchOf("a", "b"))

				took := time.Since(began)
				if err == nil || lost != 2 {
					t.Errorf("error %v, %d lines reported", err, lost)
				}
				if took < c.least || took > c.most || len(*sent) < c.attemptsMin {
					t.Errorf("gave up after %v and %d attempts, want %v to %v and at least %d", took, len(*sent), c.least, c.most, c.attemptsMin)
				}
			})
		})
	}
}

func TestCourierStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		send, sent := scripted(attempt{err: &daybook.Error{Code: daybook.Unavailable}})
		lost := 0
		courier := courier{send: send, retryFor: time.Hour, waiting: func(error) { cancel() }, report: func(line, daybook.Outcome) { lost++ }}

		err := courier.deliver(ctx, batchOf("a"))

		if !errors.Is(err, context.Canceled) || lost != 1 || len(*sent) != 1 {
			t.Errorf("%v, %d lines reported, %d attempts", err, lost, len(*sent))
		}
	})
}

func TestCourierSendsWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches []int
		courier := courier{
			send: func(_ context.Context, lines [][]byte) ([]daybook.Outcome, error) {
				batches = append(batches, len(lines))
				outcomes := make([]daybook.Outcome, len(lines))
				for i := range outcomes {
					outcomes[i].Status = daybook.Stored
				}
				return outcomes, nil
			},
			report: func(line, daybook.Outcome) {},
		}
		pause := func() { synctest.Wait() } // until what was yielded is sent
		broken := errors.New("the disk is gone")
		source := func(yield func(line, error) bool) {
			yield(line{number: 1, text: []byte("a")}, nil)
			pause()
			for i := range 2*batchEvents + 1 {
				if !yield(line{number: i + 2, text: []byte("a")}, nil) {
					return
				}
			}
			pause()
			yield(line{number: 7, text: []byte("a")}, nil)
			yield(line{number: 8}, broken)
		}

		err := courier.deliverAll(t.Context(), source)

		total := 0
		for _, n := range batches {
			total += n
			if n > batchEvents {
				t.Errorf("a batch of %d", n)
			}
		}
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 8") {
			t.Errorf("error %v, want one that names line 8", err)
		}
		if total != 2*batchEvents+3 || batches[0] != 1 || len(batches) < 5 {
			t.Errorf("batches of %v", batches)
		}
	})
}

func TestCourierLearnsHowManyEventsTheGatewayTakes(t *testing.T) {
	var batches []int
	courier := courier{
		send: func(_ context.Context, lines [][]byte) ([]daybook.Outcome, error) {
			batches = append(batches, len(lines))
			if len(lines) > 300 {
				return nil, &daybook.Error{Code: daybook.TooLarge, Reason: "too_many_events"}
			}
			outcomes := make([]daybook.Outcome, len(lines))
			for i := range outcomes {
				outcomes[i].Status = daybook.Stored
			}
			return outcomes, nil
		},
		report: func(line, daybook.Outcome) {},
	}
	for range 2 {
		lines := make(chan readResult, batchEvents)
		for i := range batchEvents {
			lines <- readResult{line: line{number: i + 1, text: []byte("a")}}
		}
		batch, err := courier.collect(t.Context(), lines)
		if err == nil {
			err = courier.deliver(t.Context(), batch)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{1000, 500, 250, 250, 500, 250, 250, 250}; !reflect.DeepEqual(batches, want) {
		t.Errorf("batches of %v, want %v", batches, want)
	}
}
