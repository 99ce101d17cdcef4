package journal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// storeMixed appends n events, each in an append of its own, and a settlement
// behind every third of them, and returns the journal, open.
func storeMixed(t *testing.T, o journal.Options, prefix string, n int) *journal.Journal {
	t.Helper()
	j := open(t, o)
	for i, r := range received(prefix, n) {
		records := []store.Record{r}
		if i%3 == 0 {
			records = append(records, settled(store.Position(i)))
		}
		if got := statuses(t, j, records); got[daybook.Stored] != len(records) {
			t.Fatalf("%s: %v", prefix, got)
		}
	}
	return j
}

// reopened opens the journal in a directory and returns its tallies.
func reopened(t *testing.T, dir string) []store.Tally {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	return j.Tallies()
}

// requireEvents requires that the journal in a directory says it has stored n
// events, also to who does not open it.
func requireEvents(t *testing.T, dir, when string, n uint64) {
	t.Helper()
	r, err := journal.Inspect(dir)
	if err != nil || r.Stored != n {
		t.Errorf("%s, inspecting counts %d events, want %d, %v", when, r.Stored, n, err)
	}
	tallies := reopened(t, dir)
	if got := tallies[len(tallies)-1].Events; got != n {
		t.Errorf("%s, %d events are counted, want %d", when, got, n)
	}
}

func TestEventsAreCountedAcrossStopsAndKills(t *testing.T) {
	o := small(t)
	j := storeMixed(t, o, "a", 20)
	storetest.RequireTallies(t, j)
	requireEvents(t, killed(t, o.Dir), "after a kill", 20)
	closeJournal(t, j)
	requireEvents(t, o.Dir, "after a stop", 20)
	requireEvents(t, o.Dir, "after two", 20)
	j = storeMixed(t, o, "b", 9)
	storetest.RequireTallies(t, j)
	left := killed(t, o.Dir)
	chunks := files(t, left, ".chunk")
	torn, err := os.ReadFile(chunks[len(chunks)-1])
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, chunks[len(chunks)-1], int64(len(torn)), torn[wal.DataStart:])
	requireEvents(t, left, "after a kill within a write", 29)
}

func TestEventsOfFailedGroupsAreNotCounted(t *testing.T) {
	fs := waltest.Wrap(wal.OS{})
	o := journal.Options{Dir: t.TempDir(), FS: fs}
	j := storeMixed(t, o, "a", 5)
	fs.FailAt(2, syscall.EIO) // the write succeeds, the sync does not
	if err := appendError(t, j, "lost"); err == nil {
		t.Fatal("stored on a disk that fails")
	}
	if got := storetest.EventsStored(t, j); got != 5 {
		t.Errorf("after a failed sync, %d events are counted", got)
	}
	requireEvents(t, killed(t, o.Dir), "killed after the answer", 5)
	appendOne(t, j, "after")
	storetest.RequireTallies(t, j)
	if _, to, events := j.Stored(); to != 8 || !reflect.DeepEqual(events, map[string]uint64{"checkout": 5, "c": 1}) {
		t.Errorf("stored %v up to %d", events, to)
	}
}

func TestEventsThatAreNotKeptStayCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.MaxBytes = smallRoom(5)
		j := storeMixed(t, o, "a", 100)
		time.Sleep(time.Minute)
		first := j.Tallies()[0]
		if first.Events == 0 || storetest.EventsStored(t, j) != 100 {
			t.Errorf("%+v is the first of %v", first, j.Tallies())
		}
		storetest.RequireTallies(t, j)
		requireEvents(t, killed(t, o.Dir), "after a kill", 100)
		closeJournal(t, j)
		requireEvents(t, o.Dir, "after a stop", 100)
	})
}

// TestEventsThatAreDamagedStayCounted damages every record once, of a journal
// that was stopped and of one that was killed. Where the kind of a lost record is
// not known any more, which only happens in the chunk that was being written, it
// counts as an event.
func TestEventsThatAreDamagedStayCounted(t *testing.T) {
	o := small(t)
	j := storeMixed(t, o, "a", 20)
	left := killed(t, o.Dir)
	closeJournal(t, j)
	for name, dir := range map[string]string{"stopped": o.Dir, "killed": left} {
		places := recordsIn(t, dir)
		for i, p := range places {
			if name == "killed" && i == len(places)-1 {
				continue // its last record counts as unfinished
			}
			requireEvents(t, hurtAt(t, dir, p.file, p.offset+34), fmt.Sprintf("%s, with the payload of %d damaged", name, i+1), 20)
			want := uint64(20)
			if name == "killed" && p.kind != store.KindEvent && p.file == places[len(places)-1].file {
				want++
			}
			requireEvents(t, hurtAt(t, dir, p.file, p.offset+5), fmt.Sprintf("%s, with the frame of %d damaged", name, i+1), want)
		}
	}
}

// hurtAt returns a copy of a data directory with two bytes of a chunk damaged.
func hurtAt(t *testing.T, dir, chunk string, offset int64) string {
	t.Helper()
	hurt := filepath.Join(t.TempDir(), "hurt")
	if err := os.CopyFS(hurt, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(hurt, "journal", chunk), offset, []byte{0xff, 0xff})
	return hurt
}

// A whereabout is a record and where it is.
type whereabout struct {
	file   string
	offset int64
	kind   store.Kind
}

func recordsIn(t *testing.T, dir string) (all []whereabout) {
	t.Helper()
	chunks, err := wal.List(wal.OS{}, filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		content, err := os.ReadFile(c.Name)
		if err != nil {
			t.Fatal(err)
		}
		scan := wal.Scan(bytes.NewReader(content), c)
		for r, ok := scan.Next(); ok; r, ok = scan.Next() {
			all = append(all, whereabout{file: filepath.Base(c.Name), offset: r.Offset, kind: store.Kind(r.Kind)})
		}
	}
	return all
}

// TestARepairedCopyCountsAsItsOriginal damages records at random, repairs, and
// repairs the copy again after it was used.
func TestARepairedCopyCountsAsItsOriginal(t *testing.T) {
	seed := newSeed(t)
	for round := range uint64(size(10, 500)) {
		random := rand.New(rand.NewPCG(seed, round))
		o := small(t)
		closeJournal(t, storeMixed(t, o, "a", 30))
		places := recordsIn(t, o.Dir)
		truth, known := eventsUpTo(t, o.Dir), random.IntN(2) == 0
		for range random.IntN(6) {
			p, at := places[random.IntN(len(places))], random.Int64N(32)
			if known {
				at = 32 + random.Int64N(60) // only payloads are damaged: the kinds of what is lost are known
			}
			overwrite(t, filepath.Join(o.Dir, "journal", p.file), p.offset+at, []byte{byte(random.Int())})
		}
		once, twice := filepath.Join(t.TempDir(), "once"), filepath.Join(t.TempDir(), "twice")
		repair(t, o.Dir, once)
		requireEvents(t, o.Dir, "the original", 30)
		for _, tally := range requireAscending(t, reopened(t, once)) {
			if known && tally.Events != truth[tally.Position] {
				t.Errorf("the copy has %d events up to %d, there were %d", tally.Events, tally.Position, truth[tally.Position])
			}
		}
		requireEvents(t, once, "the copy", 30)
		closeJournal(t, storeMixed(t, journal.Options{Dir: once}, "b", 7))
		repair(t, once, twice)
		requireEvents(t, twice, "a copy of the copy", 37)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
}

func repair(t *testing.T, from, to string) {
	t.Helper()
	if _, _, err := journal.Repair(from, to, journal.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
}

// eventsUpTo returns how many events there are up to each position.
func eventsUpTo(t *testing.T, dir string) map[store.Position]uint64 {
	t.Helper()
	n, all := uint64(0), map[store.Position]uint64{}
	for _, e := range entries(t, dir) {
		if e.Kind == store.KindEvent {
			n++
		}
		all[e.Position] = n
	}
	return all
}

func requireAscending(t *testing.T, tallies []store.Tally) []store.Tally {
	t.Helper()
	for i := 1; i < len(tallies); i++ {
		if tallies[i].Position <= tallies[i-1].Position || tallies[i].Events < tallies[i-1].Events {
			t.Errorf("tallies are %v", tallies)
		}
	}
	return tallies
}

func TestABackupCountsAsItsOriginal(t *testing.T) {
	o := small(t)
	j := storeMixed(t, o, "a", 20)
	to := filepath.Join(t.TempDir(), "copy")
	backup(t, o.Dir, to)
	requireEvents(t, killed(t, to), "of a running gateway", 20)
	appendOne(t, j, "one more")
	backup(t, o.Dir, to)
	closeJournal(t, j)
	requireEvents(t, killed(t, to), "a second time", 21)
	backup(t, o.Dir, to)
	requireEvents(t, to, "of a stopped one", 21)
	storetest.RequireTallies(t, open(t, journal.Options{Dir: to}))
}

// forgetTally makes a chunk one of an older release: its header does not say how
// many events are before it.
func forgetTally(t *testing.T, name string) {
	t.Helper()
	for _, at := range []int64{0, 4096} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		header := content[at : at+128]
		clear(header[104:112])
		binary.LittleEndian.PutUint32(header[124:], wal.Checksum(header[:124]))
		overwrite(t, name, at, header)
	}
}

func TestEventsOfAnOlderReleaseAreCountedByReading(t *testing.T) {
	o := small(t)
	closeJournal(t, storeMixed(t, o, "a", 30))
	want := reopened(t, o.Dir)
	chunks := files(t, o.Dir, ".chunk")
	n := len(chunks)
	for name, older := range map[string][]string{
		"all": chunks, "the first": chunks[:3], "the last": chunks[n-3:], "some": chunks[2:4], "first and last": slices.Concat(chunks[:2], chunks[n-2:]),
	} {
		dir := filepath.Join(t.TempDir(), "older")
		if err := os.CopyFS(dir, os.DirFS(o.Dir)); err != nil {
			t.Fatal(err)
		}
		for _, chunk := range older {
			forgetTally(t, filepath.Join(dir, "journal", filepath.Base(chunk)))
		}
		var log bytes.Buffer
		j := open(t, journal.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if got := j.Tallies(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: tallies are\n%v\nwant\n%v", name, got, want)
		}
		if got := strings.Count(log.String(), "an older release"); got != 1 {
			t.Errorf("%s: told %d times:\n%s", name, got, &log)
		}
		closeJournal(t, j)
		verifyClean(t, dir)
		requireEvents(t, dir, name, 30)
	}
}

func TestAJournalOfTheFirstVersionIsCounted(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/version1")); err != nil {
		t.Fatal(err)
	}
	j := open(t, journal.Options{Dir: dir, Now: func() time.Time { return eventsOfTheFirstVersion()[29].Received }})
	storetest.RequireTallies(t, j)
	if got := storetest.EventsStored(t, j); got != 30 {
		t.Errorf("%d events are counted", got)
	}
}
