package deliver_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal/waltest"
)

// A step is one thing that happens to a gateway. What n means is the step's own.
type step struct {
	do string
	n  int
}

func (s step) String() string { return fmt.Sprintf("%s(%d)", s.do, s.n) }

// steps are what can happen, the frequent ones more than once.
var steps = []string{
	"add", "add", "add", "add", "await", "await", "sleep", "sleep", "sleep",
	"takes", "takes", "fails", "throttles", "misconfigured", "hangs", "names", "poison",
	"crash", "crash", "cut", "stop", "full", "room", "disk fails", "disk heals",
	"evict", "seal", "damage", "retry",
}

// TestNoEventIsLostWhateverHappens runs random steps and requires, of every event and destination,
// that it was delivered, or is accounted for as dead, filtered or evicted; and of
// the counts, that they say exactly that.
func TestNoEventIsLostWhateverHappens(t *testing.T) {
	for range rounds(5, 500) { // of 100 plans each
		rapid.Check(t, func(rt *rapid.T) { whatever(t, rt) })
	}
}

func whatever(t *testing.T, rt *rapid.T) {
	plan := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		return step{do: rapid.SampledFrom(steps).Draw(rt, "do"), n: rapid.IntRange(0, 60).Draw(rt, "n")}
	}), 1, 60).Draw(rt, "plan")
	seed := rapid.Uint64().Draw(rt, "seed")
	var problems []string
	synctest.Test(t, func(t *testing.T) { problems = newWorld(t, seed).run(plan) })
	if len(problems) > 0 {
		rt.Fatalf("%d problems:\n%s", len(problems), strings.Join(problems[:min(len(problems), 10)], "\n"))
	}
}

// A world is a gateway, its destinations, and what is known about their events.
type world struct {
	t *testing.T
	*place
	sinks map[string]*delivertest.Sink
	r     *running
	n     int  // events made
	lost  bool // some were evicted or damaged

	mu       sync.Mutex
	aloft    map[string]int // guarded by mu: writes that have an event of the actor
	problems []string       // guarded by mu
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, place: newPlaceOf(seed), sinks: map[string]*delivertest.Sink{"out": {}, "ordered": {}}, aloft: map[string]int{}}
	w.begin()
	time.Sleep(time.Second) // its destinations are known from now on
	return w
}

// begin starts the gateway, on a disk that works.
func (w *world) begin() {
	w.disk.Fail(nil)
	wants := func(r *store.Record) bool { return !r.StoreOnly }
	batch := deliver.Batch{Events: 7, Age: 50 * time.Millisecond}
	w.r = w.start(w.t,
		deliver.Destination{Name: "out", Sink: w.sinks["out"], Wants: wants, Batch: batch, Timeout: 5 * time.Second},
		deliver.Destination{Name: "ordered", Sink: w.sinks["ordered"], Order: deliver.ByActor, Wants: wants, Batch: batch, Concurrency: 2, Timeout: 5 * time.Second})
}

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func (w *world) run(plan []step) []string {
	for _, s := range plan {
		w.step(s)
		if s.n%2 == 0 {
			time.Sleep(time.Duration(s.n) * time.Millisecond)
		}
		for _, s := range w.r.Status() {
			if sum := s.Delivered + s.Dead + s.Filtered + s.Evicted + s.Queued; s.Stored != sum || s.Off != 0 {
				w.problem("on the way: %+v", s)
			}
		}
	}
	w.heal()
	time.Sleep(3 * time.Hour)
	synctest.Wait()
	w.check()
	w.crash(w.r, waltest.Everything)
	w.begin()
	time.Sleep(time.Hour)
	synctest.Wait()
	w.check() // what is on the disk says the same
	w.r.stop()
	return w.problems
}

func (w *world) step(s step) {
	switch s.do {
	case "add":
		for range s.n {
			w.add()
		}
	case "await":
		w.await(s.n)
	case "sleep":
		time.Sleep(time.Duration(s.n*s.n) * 20 * time.Millisecond)
	case "crash":
		w.crash(w.r, []waltest.Keep{waltest.Everything, waltest.Nothing, waltest.Pages, waltest.Sectors}[s.n%4])
		w.begin()
	case "cut":
		w.disk.CutAfter(1 + s.n%12)
		time.Sleep(time.Second)
		w.crash(w.r, []waltest.Keep{waltest.Everything, waltest.Nothing, waltest.Pages, waltest.Sectors}[s.n/12%4])
		w.begin()
	case "stop":
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.n)*100*time.Millisecond)
		_ = w.r.Close(ctx) // a disk that fails is told
		cancel()
		<-w.r.done
		w.r.kill()
		w.begin()
	case "full":
		w.store.Refuse(&daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "full"})
	case "room":
		w.store.Refuse(nil)
	case "disk fails":
		w.disk.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.Open || op.Kind == waltest.Read || op.Kind == waltest.Mkdir {
				return nil
			}
			if h := fnv.New32(); s.n > 30 {
				fmt.Fprint(h, op, s.n)
				if h.Sum32()%3 != 0 {
					return nil
				}
			}
			return syscall.ENOSPC
		})
	case "disk heals":
		w.disk.Fail(nil)
	case "seal":
		w.store.Seal()
	case "evict":
		oldest, newest := w.store.Bounds()
		if s.n > 40 && oldest != 0 {
			w.lost = true
			w.store.Evict(oldest + (newest-oldest)*store.Position(s.n)/120)
		}
	case "damage":
		events := w.store.Records(store.KindEvent)
		if s.n > 40 && len(events) > 0 {
			w.lost = true
			w.store.Damage(events[len(events)*s.n/61].Position)
		}
	case "retry":
		w.retry(s.n)
	default:
		for _, name := range []string{"out", "ordered"} {
			if s.n%3 != 0 || name == "out" {
				do := script(s)
				if name == "ordered" {
					do = w.alone(do)
				}
				w.sinks[name].Do(do)
			}
		}
	}
}

// add stores an event, if there is room.
func (w *world) add() (store.Position, bool) {
	r := delivertest.Event([]string{"a", "b"}[w.n%2], fmt.Sprint("id-", w.n/2), fmt.Sprint("actor-", w.n%5))
	r.StoreOnly = w.n%11 == 5
	w.n++
	return w.append(r)
}

func (w *world) append(r store.Record) (store.Position, bool) {
	receipts, err := w.store.Append(w.t.Context(), []store.Record{r})
	if err != nil {
		return 0, false
	}
	return receipts[0].Position, true
}

// await stores an event that its caller waits for, tries out, and settles it,
// unless the gateway dies in between.
func (w *world) await(n int) {
	r := delivertest.Event("a", fmt.Sprint("waited-", w.n), "")
	r.Awaited = []string{"out"}
	w.n++
	at, ok := w.append(r)
	if n%4 == 0 || !ok {
		return
	}
	status := daybook.Stored
	if n%4 == 1 {
		status = daybook.Failed
	}
	for range n % 9 {
		w.add()
	}
	w.append(store.Record{Kind: store.KindSettled, Event: daybook.Event{ID: r.Event.ID}, Caller: "a", Received: time.Now(), Settlement: &store.Settlement{Position: at, Destination: "out", Status: status}})
}

// retry delivers a dead letter, as an operator does who has mended what was
// wrong with it.
func (w *world) retry(n int) {
	var all []letter
	for l := range fold(w.store.All()) {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b letter) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	if len(all) > 0 {
		l := all[n%len(all)]
		w.append(store.Record{Kind: store.KindSettled, Received: time.Now(), Settlement: &store.Settlement{Position: l.at, Destination: l.destination, Status: daybook.Stored, Reason: "retried"}})
	}
}

// script is what a destination does.
func script(s step) func(context.Context, []daybook.Event) error {
	chosen := func(e *daybook.Event) bool {
		h := fnv.New32()
		fmt.Fprint(h, e.ID, e.Origin.Caller)
		return h.Sum32()%16 == uint32(s.n)%16
	}
	named := func(events []daybook.Event, code daybook.Code) error {
		partial := &daybook.PartialError{}
		for i := range events {
			if chosen(&events[i]) {
				partial.Failed = append(partial.Failed, daybook.Outcome{ID: events[i].ID, Err: delivertest.Coded(code)})
			}
		}
		if len(partial.Failed) == 0 {
			return nil
		}
		return partial
	}
	codes := []daybook.Code{daybook.Unavailable, daybook.Invalid, daybook.Exhausted, daybook.Denied}
	return func(ctx context.Context, events []daybook.Event) error {
		time.Sleep(time.Duration(s.n) * time.Millisecond)
		switch s.do {
		case "fails":
			return delivertest.Coded(daybook.Unavailable)
		case "throttles":
			return delivertest.Coded(daybook.Exhausted)
		case "misconfigured":
			return delivertest.Coded(daybook.Denied)
		case "hangs":
			<-ctx.Done()
			return ctx.Err()
		case "names":
			return named(events, codes[s.n%4])
		case "poison":
			if err := named(events, daybook.Invalid); err != nil {
				return delivertest.Coded(daybook.Invalid)
			}
		}
		return nil
	}
}

// alone requires that no actor is in two writes at once.
func (w *world) alone(do func(context.Context, []daybook.Event) error) func(context.Context, []daybook.Event) error {
	return func(ctx context.Context, events []daybook.Event) error {
		own := map[string]bool{}
		for _, e := range events {
			own[e.Actor] = e.Actor != ""
		}
		w.mark(own, 1)
		defer w.mark(own, -1)
		return do(ctx, events)
	}
}

func (w *world) mark(actors map[string]bool, by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for actor, named := range actors {
		if w.aloft[actor] += by; named && w.aloft[actor] > 1 {
			w.problems = append(w.problems, actor+" is in two writes at once")
		}
	}
}

func (w *world) heal() {
	w.disk.Fail(nil)
	w.store.Refuse(nil)
	for _, s := range w.sinks {
		s.Do(nil)
	}
}

// check holds what is known about every event against what was taken and counted.
func (w *world) check() {
	letters := fold(w.store.All())
	var events []store.Entry
	for _, e := range w.store.All() {
		if e.Kind == store.KindEvent {
			events = append(events, e)
		}
	}
	for name, sink := range w.sinks {
		taken := sink.Taken()
		var want deliver.Counts
		for _, e := range events {
			awaited := slices.Contains(e.Awaited, name)
			id := e.Caller + "/" + e.Event.ID
			switch {
			case letters[letter{name, e.Position}]:
				want.Dead++
			case e.StoreOnly:
				want.Filtered++
				if taken[id] > 0 {
					w.problem("%s has got %s, which it does not want", name, id)
				}
			default:
				want.Delivered++
				if taken[id] == 0 && !awaited && !w.lost && !w.retried(name, e.Position) {
					w.problem("%s has never got %s at %d", name, id, e.Position)
				}
			}
			if awaited && taken[id] > 0 {
				w.problem("%s has got %s, which its caller has tried", name, id)
			}
		}
		s := w.r.statusOf(name)
		if s.Queued != 0 || s.Off != 0 || s.Stored != uint64(len(events)) || s.Delivered+s.Dead+s.Filtered+s.Evicted != s.Stored {
			w.problem("%s at rest: %+v, stored %d", name, s, len(events))
		}
		if !w.lost && s.Counts != want {
			w.problem("%s counts %+v, want %+v", name, s.Counts, want)
		}
		if w.lost && (s.Delivered > want.Delivered || s.Filtered > want.Filtered) {
			w.problem("%s counts %+v, at most %+v", name, s.Counts, want)
		}
		if held, _ := w.store.Held(name); held > s.Low {
			w.problem("%s holds %d and has finished %d", name, held, s.Low)
		}
	}
}

// retried reports whether somebody delivered a dead letter of the event.
func (w *world) retried(name string, at store.Position) bool {
	return slices.ContainsFunc(w.store.Records(store.KindSettled), func(e store.Entry) bool {
		return e.Settlement.Destination == name && e.Settlement.Position == at
	})
}
