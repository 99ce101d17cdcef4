package journal_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

// eventsOfTheFirstVersion are those in testdata.
func eventsOfTheFirstVersion() []store.Record {
	received := time.Date(2026, 11, 21, 9, 0, 0, 123456789, time.UTC)
	records := storetest.Events("a", 30)
	for i := range records {
		records[i].Received = received.Add(time.Duration(i) * time.Second)
		records[i].Event.Time = received.Add(-time.Minute)
	}
	return records
}

// TestR19 reads the journal in testdata, which the first version of the format
// wrote and which is never written again.
func TestR19AJournalOfTheFirstVersionIsReadAndContinued(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/version1")); err != nil {
		t.Fatal(err)
	}
	want := eventsOfTheFirstVersion()
	verifyClean(t, dir)
	last := want[len(want)-1].Received
	j := open(t, journal.Options{Dir: dir, Now: func() time.Time { return last.Add(time.Minute) }})
	entries := storetest.ReadAll(t, j, 7)
	if len(entries) != len(want) {
		t.Fatalf("%d events are there", len(entries))
	}
	for i, e := range entries {
		if !reflect.DeepEqual(e, store.Entry{Position: store.Position(i + 1), Record: want[i]}) {
			t.Errorf("at %d is %+v", i+1, e)
		}
	}
	if got := statuses(t, j, want); got[daybook.Duplicate] != len(want) {
		t.Errorf("copies are %v", got)
	}
	if r := appendOne(t, j, "next"); r.Status != daybook.Stored || r.Position != 31 {
		t.Errorf("the next event is %+v", r)
	}
}

// A newer format is refused, by everything that opens a directory, with what it
// is and what this program reads; and nothing there is changed.
func TestR19ANewerFormatIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	last := files(t, dir, ".chunk")
	makeNewer(t, last[len(last)-1])
	// What a newer program was making when it was stopped is not ours to remove.
	if err := os.WriteFile(filepath.Join(dir, "journal", "0000000000000099.chunk.tmp"), []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, filepath.Join(dir, "journal"))
	_, opening := journal.Open(t.Context(), journal.Options{Dir: dir, Now: justAfter})
	_, verifying := journal.Verify(dir, func(journal.Damage) {})
	_, inspecting := journal.Inspect(dir)
	for name, err := range map[string]error{"open": opening, "verify": verifying, "inspect": inspecting} {
		if !errors.Is(err, wal.ErrVersion) || !strings.Contains(err.Error(), "format 2, this program reads up to 1") || !strings.Contains(err.Error(), filepath.Base(last[len(last)-1])) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := contents(t, filepath.Join(dir, "journal")); !reflect.DeepEqual(after, before) {
		t.Errorf("the directory was changed: %d files before, %d after", len(before), len(after))
	}
}

// makeNewer turns a chunk into one of the next version of the format.
func makeNewer(t *testing.T, name string) {
	t.Helper()
	for _, at := range []int64{0, 4096} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		header := content[at : at+128]
		binary.LittleEndian.PutUint32(header[8:], 2)
		binary.LittleEndian.PutUint32(header[124:], wal.Checksum(header[:124]))
		overwrite(t, name, at, header)
	}
}
