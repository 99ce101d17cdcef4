package journal_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

// dump returns the ids of the events that can be read, and whether all could.
func dump(t testing.TB, dir string) (ids []string) {
	t.Helper()
	_ = journal.Dump(dir, func(e store.Entry) error {
		ids = append(ids, e.Event.ID)
		return nil
	})
	return ids
}

func overwrite(t testing.TB, name string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestInspectCountsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	j := open(t, journal.Options{Dir: dir}) // reading needs no lock
	summary := store.Record{Kind: store.KindSummary, Summary: []store.Count{{Caller: "c", Events: 30}}}
	if _, err := j.Append(t.Context(), []store.Record{summary}); err != nil {
		t.Fatal(err)
	}
	r, err := journal.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	events := storetest.Events("a", 30)
	if r.Records[store.KindEvent] != 30 || r.Records[store.KindSummary] != 1 || r.First != 1 || r.Last != 31 {
		t.Errorf("got %+v", r)
	}
	if !r.Oldest.Equal(events[0].Received) || !r.Newest.Equal(events[29].Received) || r.Newest.Sub(r.Oldest) != 29*time.Second {
		t.Errorf("from %v to %v", r.Oldest, r.Newest)
	}
	s := j.Stats()
	if r.Chunks != len(files(t, dir, ".chunk")) || r.Chunks != s.Chunks || r.Bytes != s.Bytes || len(r.Store) != 32 || r.Epoch != 1 {
		t.Errorf("report %+v, stats %+v", r, s)
	}
	if s.Events != 31 || s.Synced != 31 || !s.Oldest.Equal(events[0].Received) || s.FreeBytes == 0 || s.DedupKeys != 30 {
		t.Errorf("stats %+v", s)
	}
}

func TestAFlippedBitCostsOneRecordWhichVerifyNames(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 12)
	closeJournal(t, open(t, journal.Options{Dir: dir})) // seals the last chunk
	all := dump(t, dir)
	for _, name := range files(t, dir, ".chunk") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(wal.DataStart); at < int64(len(content)); at += 5 {
			overwrite(t, name, at, []byte{content[at] ^ 4})
			var found []journal.Damage
			report, err := journal.Verify(dir, func(d journal.Damage) { found = append(found, d) })
			if err != nil {
				t.Fatal(err)
			}
			left := dump(t, dir)
			overwrite(t, name, at, content[at:at+1])
			if len(found) == 1 && found[0].Sequence == 0 && len(left) == len(all) {
				continue // padding
			}
			if len(found) != 1 || report.Damaged != 1 || len(left) != len(all)-1 {
				t.Fatalf("%s at %d: found %v, report %+v, %d of %d left", name, at, found, report, len(left), len(all))
			}
			lost := all[found[0].Sequence-1]
			if found[0].File != filepath.Base(name) || found[0].Offset > at || slices.Contains(left, lost) {
				t.Fatalf("%s at %d: named %v, which is %s; left %v", name, at, found[0], lost, left)
			}
		}
	}
}

func TestReadersSkipDamageAndCountItOnce(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 12)
	j := open(t, journal.Options{Dir: dir})
	first := files(t, dir, ".chunk")[0]
	overwrite(t, first, wal.DataStart+40, []byte("damage"))
	for range 3 {
		entries := storetest.ReadAll(t, j, 5)
		if len(entries) != 11 || entries[0].Position != 2 {
			t.Fatalf("read %d entries from %d", len(entries), entries[0].Position)
		}
	}
	if s := j.Stats(); s.DamagedRecords != 1 {
		t.Errorf("%d damaged records counted", s.DamagedRecords)
	}
}

func TestVerifyNamesAMissingChunk(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	chunks := files(t, dir, ".chunk")
	if err := os.Remove(chunks[1]); err != nil {
		t.Fatal(err)
	}
	var found []journal.Damage
	report, err := journal.Verify(dir, func(d journal.Damage) { found = append(found, d) })
	if err != nil || len(found) != 1 || found[0].File != filepath.Base(chunks[2]) || report.Damaged == 0 {
		t.Errorf("found %v, %+v, %v", found, report, err)
	}
	if got := len(dump(t, dir)); got+int(report.Damaged) != 30 {
		t.Errorf("%d events left, %d said to be damaged", got, report.Damaged)
	}
}

func TestDumpEndsWithAnErrorWhenRecordsAreMissing(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 12)
	everything := func(store.Entry) error { return nil }
	if err := journal.Dump(dir, everything); err != nil {
		t.Fatal(err)
	}
	overwrite(t, files(t, dir, ".chunk")[0], wal.DataStart+40, []byte("damage"))
	if err := journal.Dump(dir, everything); err == nil {
		t.Error("damage was passed over in silence")
	}
	if err := journal.Dump(t.TempDir(), everything); err == nil {
		t.Error("a directory without a journal was dumped")
	}
}

func TestChunksThatAreRemovedMeanwhileAreNoDamage(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	chunks := files(t, dir, ".chunk")
	before := len(dump(t, dir))
	var read []store.Position
	err := journal.Dump(dir, func(e store.Entry) error {
		if len(read) == 0 { // as a gateway that runs here does it
			for _, name := range chunks[:2] {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		read = append(read, e.Position)
		return nil
	})
	if err != nil || len(read) >= before || len(read) < before-10 || read[len(read)-1] != store.Position(before) {
		t.Errorf("read %v of %d, %v", read, before, err)
	}
	verifyClean(t, dir)
}

func TestADumpSinceATimePassesOverWhatIsOlder(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 200) // into several chunks
	chunks := files(t, dir, ".chunk")
	if len(chunks) < 3 {
		t.Fatalf("%d chunks", len(chunks))
	}
	events := storetest.Events("a", 200)
	since := func(n int) (ids []string, err error) {
		err = journal.DumpSince(dir, events[n].Received, func(e store.Entry) error {
			ids = append(ids, e.Event.ID)
			return nil
		})
		return ids, err
	}
	for _, n := range []int{0, 1, 100, 199} {
		ids, err := since(n)
		if err != nil || len(ids) != 200-n || ids[0] != events[n].Event.ID {
			t.Errorf("since event %d: %d events, %v", n, len(ids), err)
		}
	}
	// What is older is not even read.
	overwrite(t, chunks[0], wal.DataStart, make([]byte, 4096))
	if ids, err := since(199); err != nil || len(ids) != 1 {
		t.Errorf("behind damage: %d events, %v", len(ids), err)
	}
	if ids, err := since(0); err == nil || len(ids) == 0 {
		t.Errorf("with damage: %d events, %v", len(ids), err)
	}
}
