package deliver_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal/waltest"
)

// A place is where a gateway is started again and again: its store, its disk
// and what it logged.
type place struct {
	store *delivertest.Store
	disk  *waltest.Disk
	log   logged
}

func newPlace() *place { return newPlaceOf(1) }

// newPlaceOf returns a place whose disk decides by a seed what it loses. The data
// directory is there, as the journal makes it.
func newPlaceOf(seed uint64) *place {
	p := &place{store: &delivertest.Store{}, disk: waltest.NewDisk(seed)}
	_ = p.disk.Mkdir("/data")
	_ = p.disk.SyncDir("/")
	return p
}

// A running is an engine that runs.
type running struct {
	*deliver.Engine
	t    *testing.T
	life *delivertest.Life
	kill context.CancelFunc
	done chan error
}

// start opens an engine with destinations and runs it.
func (p *place) start(t *testing.T, destinations ...deliver.Destination) *running {
	t.Helper()
	return p.startWith(t, deliver.Options{Destinations: destinations})
}

func (p *place) startWith(t *testing.T, o deliver.Options) *running {
	t.Helper()
	life := p.store.Live()
	if o.Store == nil {
		o.Store = life
	}
	e, err := deliver.Open(t.Context(), p.options(o))
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	r := &running{Engine: e, t: t, life: life, kill: kill, done: make(chan error, 1)}
	go func() { r.done <- e.Run(ctx) }()
	return r
}

// options completes o with what is of the place.
func (p *place) options(o deliver.Options) deliver.Options {
	if o.Store == nil {
		o.Store = p.store
	}
	if o.StoreID == "" {
		o.StoreID, o.Epoch = "store-1", 1
	}
	if o.Rand == nil {
		o.Rand = func() float64 { return 0.999 }
	}
	o.Dir, o.FS, o.Log = "/data", p.disk, slog.New(slog.NewTextHandler(&p.log, nil))
	return o
}

// stop stops the engine as an orderly stop does, and waits for it.
func (r *running) stop() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		r.t.Errorf("close: %v", err)
	}
	if err := <-r.done; err != nil {
		r.t.Errorf("run: %v", err)
	}
	r.kill()
}

// crash ends the engine as kill -9 does, or worse: of what was not synced, keep
// says what is found afterwards. Nothing that the engine still does counts.
func (p *place) crash(r *running, keep waltest.Keep) {
	r.t.Helper()
	r.life.End()
	p.disk = p.disk.Restart(keep)
	r.kill()
	<-r.done
}

// status returns the status of the destination named out.
func (r *running) status() deliver.Status {
	r.t.Helper()
	return r.statusOf("out")
}

func (r *running) statusOf(name string) deliver.Status {
	r.t.Helper()
	for _, s := range r.Status() {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no destination %q", name)
	return deliver.Status{}
}

// wants compares the counts of the destination named out.
func (r *running) wants(want deliver.Counts, queued uint64) {
	r.t.Helper()
	s := r.status()
	if s.Counts != want || s.Queued != queued || s.Off != 0 {
		r.t.Errorf("got %+v, queued %d, off %d\nwant %+v, queued %d", s.Counts, s.Queued, s.Off, want, queued)
	}
	balanced(r.t, s)
}

// wantsRetried compares how many of the destination named out were dead before.
func (r *running) wantsRetried(want uint64) {
	r.t.Helper()
	if got := r.status().Retried; got != want {
		r.t.Errorf("%d dead letters were delivered after all, want %d", got, want)
	}
}

// balanced holds the identity of the ledger.
func balanced(t *testing.T, s deliver.Status) {
	t.Helper()
	if sum := s.Delivered + s.Dead + s.Filtered + s.Evicted + s.Queued; s.Stored != sum || s.Off != 0 {
		t.Errorf("stored %d, but delivered + dead + filtered + evicted + queued = %d: %+v", s.Stored, sum, s)
	}
}

// out is a destination that does not wait long for a full batch.
func out(sink *delivertest.Sink) deliver.Destination {
	return deliver.Destination{Name: "out", Sink: sink, Batch: deliver.Batch{Age: 10 * time.Millisecond}}
}

// add stores n events with the ids prefix-0, prefix-1, and so on.
func (p *place) add(prefix string, n int) []store.Position {
	positions := make([]store.Position, n)
	for i := range positions {
		positions[i] = p.store.Add("shop", fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("actor-%d", i%7))
	}
	return positions
}

// settle waits until nothing moves but clocks, then for d.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// each reports what was not taken as often as it should have been.
func each(t *testing.T, sink *delivertest.Sink, least, most int, ids ...string) {
	t.Helper()
	taken := sink.Taken()
	for _, id := range ids {
		if n := taken["shop/"+id]; n < least || n > most {
			t.Errorf("%s was taken %d times, not %d to %d", id, n, least, most)
		}
	}
}

func ids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return all
}

// logged is what was logged, line by line.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines returns the lines that contain all of the words.
func (l *logged) lines(words ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.text.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
