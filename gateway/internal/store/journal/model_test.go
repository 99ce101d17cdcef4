package journal_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// A model is what a journal has to be equal to: a list.
type model struct {
	records []store.Record
	places  map[string]int // by event id: which record
	events  uint64         // among the records
}

// want says what the journal has to answer to r, and takes it in.
func (m *model) want(r store.Record) store.Receipt {
	if at, known := m.places[r.Event.ID]; known && r.Unique() {
		receipt := store.Receipt{Status: daybook.Duplicate, ID: r.Event.ID, Position: store.Position(at + 1)}
		if m.records[at].Digest != r.Digest {
			receipt.Status = daybook.Refused
		}
		return receipt
	}
	m.records = append(m.records, r)
	if r.Kind == store.KindEvent {
		m.events++
	}
	if r.Unique() {
		m.places[r.Event.ID] = len(m.records) - 1
	}
	return store.Receipt{Status: daybook.Stored, ID: r.Event.ID, Position: store.Position(len(m.records))}
}

// An episode is one journal with random options beside its model.
type episode struct {
	t       *testing.T
	chance  *rand.Rand
	disk    *waltest.Disk
	options journal.Options
	journal *journal.Journal
	clock   clock
	model   model
	ids     int // from how many event ids are chosen
	trail   []string
}

func newEpisode(t *testing.T, seed uint64) *episode {
	chance := rand.New(rand.NewPCG(seed, 2))
	e := &episode{
		t: t, chance: chance, disk: waltest.NewDisk(seed),
		model: model{places: map[string]int{}}, ids: []int{5, 100, 10_000}[chance.IntN(3)],
		options: journal.Options{
			Dir:         "/data",
			ChunkBytes:  wal.DataStart + []int64{1, 1000, 5000, 100_000, 2 << 20}[chance.IntN(5)],
			DedupWindow: 1000 * time.Hour, Keep: 10_000 * time.Hour, MaxBytes: 1 << 40,
		},
	}
	e.clock.set(storetest.Event("c", "a").Received)
	e.open()
	return e
}

func (e *episode) open() {
	e.t.Helper()
	e.options.FS = e.disk
	e.options.Now = e.clock.Now
	j, err := journal.Open(e.t.Context(), e.options)
	if err != nil {
		e.t.Fatalf("%v after %v", err, e.trail)
	}
	e.journal = j
}

// steps are what may happen, by how often.
func (e *episode) step() {
	e.t.Helper()
	switch n := e.chance.IntN(1000); {
	case n < 600:
		e.append()
	case n < 850:
		e.read()
	case n < 970:
		e.seek()
	case n < 980:
		e.restart("stop", waltest.Everything, true)
	case n < 988:
		e.restart("kill", waltest.Everything, false)
	case n < 994:
		e.restart("power cut", waltest.Nothing, false)
	default:
		e.restart("power cut, some survives", waltest.Pages, false)
	}
	_, newest := e.journal.Bounds()
	e.require(int(newest) == len(e.model.records), "newest is %d, want %d", newest, len(e.model.records))
	if len(e.trail)%16 == 0 {
		counted := storetest.EventsStored(e.t, e.journal)
		e.require(counted == e.model.events, "%d events are counted, want %d", counted, e.model.events)
	}
}

func (e *episode) require(ok bool, format string, args ...any) {
	e.t.Helper()
	if !ok {
		e.t.Fatalf(format+"; options %+v; the last steps: %v", append(args, e.options, e.trail[max(0, len(e.trail)-20):])...)
	}
}

func (e *episode) record() store.Record {
	id := fmt.Sprintf("e-%d", e.chance.IntN(e.ids))
	r := event(id, []string{"first", "first", "first", "other"}[e.chance.IntN(4)], e.chance.IntN(300))
	e.clock.add(time.Second)
	r.Received = e.clock.Now()
	if e.chance.IntN(10) == 0 {
		r.Kind, r.Refusal = store.KindRefused, &store.Refusal{Destination: "statsig", Reason: "rejected"}
	}
	return r
}

func (e *episode) append() {
	e.t.Helper()
	var records []store.Record
	var want []store.Receipt
	for range 1 + e.chance.IntN(4) {
		r := e.record()
		records, want = append(records, r), append(want, e.model.want(r))
	}
	e.trail = append(e.trail, fmt.Sprintf("append %d", len(records)))
	got, err := e.journal.Append(e.t.Context(), records)
	e.require(err == nil, "append: %v", err)
	for i := range got {
		got[i].Err = nil
		e.require(got[i] == want[i], "receipt %d is %+v, want %+v", i, got[i], want[i])
	}
}

func (e *episode) read() {
	e.t.Helper()
	after, n := e.chance.IntN(len(e.model.records)+1), 1+e.chance.IntN(20)
	e.trail = append(e.trail, fmt.Sprintf("read %d after %d", n, after))
	entries, err := e.journal.Read(e.t.Context(), store.Position(after), n)
	want := e.model.records[after:min(after+n, len(e.model.records))]
	e.require(err == nil && len(entries) == len(want), "read %d after %d: %d entries, want %d, %v", n, after, len(entries), len(want), err)
	for i, entry := range entries {
		e.require(int(entry.Position) == after+i+1 && reflect.DeepEqual(entry.Record, want[i]), "at %d is %+v, want %+v", after+i+1, entry, want[i])
	}
}

func (e *episode) seek() {
	e.t.Helper()
	if len(e.model.records) == 0 {
		return
	}
	want := e.chance.IntN(len(e.model.records))
	for want > 0 && !e.model.records[want-1].Received.Before(e.model.records[want].Received) {
		want--
	}
	e.trail = append(e.trail, fmt.Sprintf("seek %d", want))
	got, err := e.journal.Seek(e.t.Context(), e.model.records[want].Received)
	e.require(err == nil && int(got) == want, "seek found %d, want %d, %v", got, want, err)
}

// restart ends the journal and opens it again, with what survives.
func (e *episode) restart(how string, keep waltest.Keep, stop bool) {
	e.t.Helper()
	e.trail = append(e.trail, how)
	left := e.journal
	if stop {
		closeJournal(e.t, left)
	}
	e.disk = e.disk.Restart(keep)
	if !stop {
		closeJournal(e.t, left)
	}
	e.open()
}

// finish compares everything.
func (e *episode) finish() {
	e.t.Helper()
	entries := storetest.ReadAll(e.t, e.journal, 100)
	e.require(len(entries) == len(e.model.records), "%d entries, want %d", len(entries), len(e.model.records))
	for i, entry := range entries {
		e.require(reflect.DeepEqual(entry.Record, e.model.records[i]), "at %d is %+v, want %+v", i+1, entry.Record, e.model.records[i])
	}
	e.require(e.journal.Stats().DamagedRecords == 0, "records are damaged")
	storetest.RequireTallies(e.t, e.journal)
	closeJournal(e.t, e.journal)
}

// TestR11 compares the journal, under random options, with a list: after every
// step the two are equal.
func TestR11AJournalIsEqualToAListOverRandomSteps(t *testing.T) {
	seed, total := newSeed(t), size(6_000, 2_000_000)
	for done := 0; done < total; done += 1500 {
		e := newEpisode(t, seed)
		for range 1500 {
			e.step()
		}
		e.finish()
		seed++
	}
	t.Logf("%d steps", total)
}
