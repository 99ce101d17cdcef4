package deliver_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal/waltest"
)

var _ deliver.Store = (*journal.Journal)(nil)

// rounds is how often a test with chance in it is run.
func rounds(short, long int) int {
	if os.Getenv("DAYBOOK_LAB") != "" {
		return long
	}
	return short
}

// TestR12StoredEventsAreAllAccountedFor has the journal and the cursors on one
// disk, which is cut off at random moments, and destinations that fail in every
// way. After all is mended, every event that was acknowledged was delivered or is
// a dead letter, and the counts say which.
func TestR12StoredEventsAreAllAccountedFor(t *testing.T) {
	for round := range rounds(20, 500) {
		seed := uint64(round) + 1
		synctest.Test(t, func(t *testing.T) { newLives(t, seed).run() })
	}
}

// lives are the lives of one gateway, its journal and its cursors on one disk.
type lives struct {
	t      *testing.T
	seed   uint64
	chance *rand.Rand
	disk   *waltest.Disk
	sinks  map[string]*delivertest.Sink
	acked  map[store.Position]string
	made   int

	journal *journal.Journal
	engine  *deliver.Engine
	kill    context.CancelFunc
	done    chan error
}

func newLives(t *testing.T, seed uint64) *lives {
	l := &lives{
		t: t, seed: seed, chance: rand.New(rand.NewPCG(seed, 1)), disk: waltest.NewDisk(seed),
		sinks: map[string]*delivertest.Sink{"out": {}, "ordered": {}}, acked: map[store.Position]string{},
	}
	return l
}

func (l *lives) run() {
	defer func() {
		if l.t.Failed() {
			l.t.Logf("with seed %d", l.seed)
		}
	}()
	for range 6 {
		l.begin()
		l.disk.CutAfter(1 + l.chance.IntN(120))
		for !l.disk.Cut() {
			l.script()
			l.append()
			time.Sleep(time.Duration(l.chance.IntN(400)) * time.Millisecond)
		}
		l.crash()
	}
	for _, s := range l.sinks {
		s.Do(nil)
	}
	l.begin()
	time.Sleep(time.Hour)
	synctest.Wait()
	l.check()
	l.crash()
	l.begin()
	time.Sleep(time.Minute)
	synctest.Wait()
	l.check()
	l.crash()
}

// begin opens the journal and starts the engine.
func (l *lives) begin() {
	l.t.Helper()
	log := slog.New(slog.DiscardHandler)
	var err error
	l.journal, err = journal.Open(l.t.Context(), journal.Options{
		Dir: "/data", FS: l.disk, Log: log, ChunkBytes: 16 << 10, Followers: []string{"out", "ordered"},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	id, epoch := l.journal.Life()
	batch := deliver.Batch{Events: 10, Age: 20 * time.Millisecond}
	l.engine, err = deliver.Open(l.t.Context(), deliver.Options{
		Store: l.journal, StoreID: id, Epoch: epoch, Dir: "/data", FS: l.disk, Log: log,
		Destinations: []deliver.Destination{
			{Name: "out", Sink: l.sinks["out"], Batch: batch, Wants: func(r *store.Record) bool { return r.Event.Actor != "nobody" }},
			{Name: "ordered", Sink: l.sinks["ordered"], Batch: batch, Order: deliver.ByActor},
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	l.kill, l.done = kill, make(chan error, 1)
	go func() { l.done <- l.engine.Run(ctx) }()
}

// crash is the end of the process, or of the machine.
func (l *lives) crash() {
	keeps := []waltest.Keep{waltest.Everything, waltest.Nothing, waltest.Pages, waltest.Sectors}
	l.disk = l.disk.Restart(keeps[l.chance.IntN(len(keeps))])
	l.kill()
	<-l.done
	_ = l.journal.Close(context.Background()) // its disk is gone
}

// append stores a few events, some with a caller who waits, and remembers those
// that were acknowledged.
func (l *lives) append() {
	var records []store.Record
	for range 1 + l.chance.IntN(20) {
		r := delivertest.Event("shop", fmt.Sprint("id-", l.made), fmt.Sprint("actor-", l.made%3))
		switch l.chance.IntN(10) {
		case 0:
			r.Event.Actor = "nobody"
		case 1:
			r.Awaited = []string{"out"}
		}
		l.made++
		records = append(records, r)
	}
	receipts, err := l.journal.Append(l.t.Context(), records)
	if err != nil {
		return
	}
	var settled []store.Record
	for i, r := range receipts {
		if r.Status != daybook.Stored {
			continue
		}
		l.acked[r.Position] = records[i].Event.ID
		if len(records[i].Awaited) > 0 && l.chance.IntN(4) > 0 {
			status := []daybook.Status{daybook.Stored, daybook.Failed}[l.chance.IntN(2)]
			settled = append(settled, store.Record{
				Kind: store.KindSettled, Event: daybook.Event{ID: r.ID}, Caller: "shop", Received: time.Now(),
				Settlement: &store.Settlement{Position: r.Position, Destination: "out", Status: status},
			})
		}
	}
	if len(settled) > 0 {
		_, _ = l.journal.Append(l.t.Context(), settled) // a crash may come in between
	}
}

func (l *lives) script() {
	for _, s := range l.sinks {
		if l.chance.IntN(3) == 0 {
			do := []string{"takes", "fails", "throttles", "names", "poison", "takes"}[l.chance.IntN(6)]
			s.Do(script(step{do: do, n: l.chance.IntN(60)}))
		}
	}
}

// check holds the destinations' counts against the records of the journal.
func (l *lives) check() {
	l.t.Helper()
	entries := storetest.ReadAll(l.t, l.journal, 100)
	dead := fold(entries)
	for name, sink := range l.sinks {
		var want deliver.Counts
		taken := sink.Taken()
		kept := 0
		for _, e := range entries {
			if e.Kind != store.KindEvent {
				continue
			}
			kept++
			waited := name == "out" && len(e.Awaited) > 0
			switch {
			case dead[letter{name, e.Position}]:
				want.Dead++
			case name == "out" && e.Event.Actor == "nobody" && !waited:
				want.Filtered++
			default:
				want.Delivered++
				if taken["shop/"+e.Event.ID] == 0 && !waited {
					l.t.Errorf("%s has never got %s", name, e.Event.ID)
				}
			}
		}
		for at, id := range l.acked {
			if !has(entries, at, id) {
				l.t.Errorf("%s was acknowledged at %d and is not there", id, at)
			}
		}
		for _, s := range l.engine.Status() {
			if s.Name != name {
				continue
			}
			balanced(l.t, s)
			if s.Counts != want || s.Queued != 0 || int(s.Stored) != kept {
				l.t.Errorf("%s: %+v, queued %d, stored %d; want %+v of %d", name, s.Counts, s.Queued, s.Stored, want, kept)
			}
		}
	}
}

func has(entries []store.Entry, at store.Position, id string) bool {
	for _, e := range entries {
		if e.Position == at {
			return e.Event.ID == id
		}
	}
	return false
}

// A letter is a dead letter.
type letter struct {
	destination string
	at          store.Position
}

// fold returns the dead letters there are, by what the last record about each
// says.
func fold(entries []store.Entry) map[letter]bool {
	dead := map[letter]bool{}
	for _, e := range entries {
		switch {
		case e.Kind == store.KindRefused:
			dead[letter{e.Refusal.Destination, e.Refusal.Position}] = true
		case e.Kind == store.KindSettled && e.Settlement.Status == daybook.Stored:
			delete(dead, letter{e.Settlement.Destination, e.Settlement.Position})
		case e.Kind == store.KindSettled:
			dead[letter{e.Settlement.Destination, e.Settlement.Position}] = true
		}
	}
	return dead
}
