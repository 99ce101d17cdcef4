package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

// entries returns every record that can be read.
func entries(t testing.TB, dir string) (all []store.Entry) {
	t.Helper()
	_ = journal.Dump(dir, func(e store.Entry) error {
		all = append(all, e)
		return nil
	})
	return all
}

// contents returns every file below dir, by name.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestARepairedCopyHasEveryWholeRecordInItsPlaceAndIsClean(t *testing.T) {
	seeds := uint64(8)
	if inLab() {
		seeds = 1000
	}
	for seed := range seeds {
		from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
		random := rand.New(rand.NewPCG(seed, 1))
		fill(t, from, "a", 40)
		for _, name := range files(t, from, ".chunk") {
			plant(t, name, random)
		}
		before, whole := contents(t, from), entries(t, from)

		var found []journal.Damage
		source, repaired, err := journal.Repair(from, to, journal.CopyOptions{Found: func(d journal.Damage) { found = append(found, d) }})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(contents(t, from), before) {
			t.Fatalf("seed %d: the source was changed", seed)
		}
		if got := entries(t, to); !reflect.DeepEqual(got, whole) {
			t.Fatalf("seed %d: %d records are in the copy, want %d", seed, len(got), len(whole))
		}
		if (len(found) > 0) != (source.Damaged > 0) || repaired.Damaged != 0 || repaired.Epoch != source.Epoch+1 {
			t.Fatalf("seed %d: found %v, source %+v, copy %+v", seed, found, source, repaired)
		}
		checkGaps(t, repaired, whole)
		continueIn(t, to, whole)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// plant damages a chunk file in one of several ways, or not.
func plant(t testing.TB, name string, random *rand.Rand) {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(content))
	switch random.IntN(6) {
	case 0: // a few rotten bytes
		for range 1 + random.IntN(3) {
			overwrite(t, name, random.Int64N(size), []byte{byte(random.Int())})
		}
	case 1: // a stretch of zeros
		if size > wal.DataStart {
			overwrite(t, name, wal.DataStart+random.Int64N(size-wal.DataStart), make([]byte, 300))
		}
	case 2: // the end is missing
		if err := os.Truncate(name, random.Int64N(size)); err != nil {
			t.Fatal(err)
		}
	case 3: // both headers are
		overwrite(t, name, 0, make([]byte, wal.DataStart))
	}
}

// checkGaps requires that the copy states every sequence between its records
// that is not there.
func checkGaps(t *testing.T, r journal.Report, whole []store.Entry) {
	t.Helper()
	stated := map[uint64]bool{}
	for _, g := range r.Gaps {
		for n := g.First; n <= g.Last && n < 1000; n++ {
			stated[n] = true
		}
	}
	if len(whole) == 0 {
		return
	}
	there := map[uint64]bool{}
	for _, e := range whole {
		there[uint64(e.Position)] = true
	}
	for n := uint64(whole[0].Position); n <= uint64(whole[len(whole)-1].Position); n++ {
		if there[n] == stated[n] {
			t.Errorf("sequence %d: there %v, stated as missing %v", n, there[n], stated[n])
		}
	}
}

// continueIn opens a copy: what it holds is a duplicate, what is new comes
// behind everything the source ever had, and it stays clean.
func continueIn(t *testing.T, dir string, whole []store.Entry) {
	t.Helper()
	j := open(t, journal.Options{Dir: dir})
	for _, e := range whole {
		receipts, err := j.Append(t.Context(), []store.Record{e.Record})
		if err != nil || receipts[0].Status != daybook.Duplicate || receipts[0].Position != e.Position {
			t.Fatalf("the copy of record %d: %+v, %v", e.Position, receipts, err)
		}
	}
	fresh := appendOne(t, j, "fresh")
	if fresh.Status != daybook.Stored || len(whole) > 0 && fresh.Position <= whole[len(whole)-1].Position {
		t.Errorf("a new event behind %d records: %+v", len(whole), fresh)
	}
	if got := storetest.ReadAll(t, j, 7); len(got) != len(whole)+1 {
		t.Errorf("%d records can be read, want %d", len(got), len(whole)+1)
	}
	closeJournal(t, j)
	verifyClean(t, dir)
}

func TestARepairedCopyStatesWhatIsMissingForEver(t *testing.T) {
	from, once, twice := t.TempDir(), filepath.Join(t.TempDir(), "once"), filepath.Join(t.TempDir(), "twice")
	fill(t, from, "a", 12)
	j := open(t, journal.Options{Dir: from})
	first := storetest.ReadAll(t, j, 100)
	closeJournal(t, j)
	overwrite(t, files(t, from, ".chunk")[0], wal.DataStart+40, []byte("damage"))
	if _, _, err := journal.Repair(from, once, journal.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	continueIn(t, once, first[1:])
	if _, _, err := journal.Repair(once, twice, journal.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := journal.Inspect(twice)
	if err != nil || !slices.Equal(r.Gaps, []journal.Gap{{First: 1, Last: 1}}) || r.Epoch != 3 {
		t.Errorf("after two repairs and a restart: %+v, %v", r, err)
	}
}

func TestPositionsThatALostChunkMayHaveUsedAreNotUsedAgain(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	fill(t, from, "a", 30)
	chunks := files(t, from, ".chunk")
	overwrite(t, chunks[len(chunks)-1], 0, make([]byte, wal.DataStart))
	if _, _, err := journal.Repair(from, to, journal.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	j := open(t, journal.Options{Dir: to})
	if got := appendOne(t, j, "fresh"); got.Position <= 30 {
		t.Errorf("a new event was given position %d", got.Position)
	}
}

func TestARepairGoesIntoANewDirectoryOnly(t *testing.T) {
	from := t.TempDir()
	fill(t, from, "a", 3)
	for name, to := range map[string]string{"the source": from, "a directory with something in it": filepath.Dir(files(t, from, "")[0])} {
		before := fmt.Sprint(contents(t, from))
		if _, _, err := journal.Repair(from, to, journal.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("%s: error is %v", name, err)
		}
		if fmt.Sprint(contents(t, from)) != before {
			t.Errorf("%s was changed", name)
		}
	}
	if _, _, err := journal.Repair(t.TempDir(), filepath.Join(t.TempDir(), "copy"), journal.CopyOptions{}); err == nil {
		t.Error("a directory without a journal was repaired")
	}
}

func TestWhatIsMissingInTheMiddleIsNoUnfinishedWrite(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	chunks := files(t, dir, ".chunk")
	if err := os.Remove(chunks[2]); err != nil {
		t.Fatal(err)
	}
	// Nobody says where the chunk before ends, and its last record is damaged.
	info, err := os.Stat(chunks[1])
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, chunks[1], info.Size()-20, []byte("damage"))
	r, err := journal.Inspect(dir)
	if err != nil || r.Damaged == 0 || r.Unfinished != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}
