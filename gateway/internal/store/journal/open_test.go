package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// files returns the names in dir's journal that end in suffix.
func files(t testing.TB, dir, suffix string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "journal", "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// fill makes a journal of n events with ids prefix-0 … in small chunks, and
// closes it.
func fill(t testing.TB, dir, prefix string, n int) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir, ChunkBytes: wal.DataStart + 1500})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range storetest.Events(prefix, n) {
		if _, err := j.Append(t.Context(), []store.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
}

func TestR9ADirectoryInUseIsRefusedWithWhoUsesIt(t *testing.T) {
	dir := t.TempDir()
	open(t, journal.Options{Dir: dir})
	_, err := journal.Open(t.Context(), journal.Options{Dir: dir})
	if err == nil {
		t.Fatal("a second journal opened on the same directory")
	}
	for _, want := range []string{dir, "in use by process", "stop it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestWhatTheDiskIsWorth(t *testing.T) {
	memory := wal.Volume{Kind: "tmpfs", Memory: true}
	for name, c := range map[string]struct {
		volume     wal.Volume
		options    journal.Options
		durability daybook.Durability
		refusal    string // part of the sentence; "" = it opens
	}{
		"a disk is synced":                     {volume: wal.Volume{Kind: "ext4"}, durability: daybook.Fsynced},
		"an unknown file system is a disk":     {volume: wal.Volume{Kind: "0x1234"}, durability: daybook.Fsynced},
		"memory is refused":                    {volume: memory, refusal: "tmpfs"},
		"memory is accepted on request":        {volume: memory, options: journal.Options{AllowEphemeral: true}, durability: daybook.InMemory},
		"a platform without disks is refused":  {volume: wal.Volume{Kind: "overlayfs"}, options: journal.Options{Ephemeral: "K_SERVICE is set"}, refusal: "K_SERVICE is set"},
		"and accepted on request":              {options: journal.Options{Ephemeral: "K_SERVICE is set", AllowEphemeral: true}, durability: daybook.InMemory},
		"a network file system is refused":     {volume: wal.Volume{Kind: "nfs", Network: true}, refusal: "nfs"},
		"a network file system always refused": {volume: wal.Volume{Kind: "nfs", Network: true}, options: journal.Options{AllowEphemeral: true}, refusal: "local disk"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := waltest.Wrap(wal.OS{})
			fs.PutOn(c.volume)
			c.options.Dir, c.options.FS = t.TempDir(), fs
			j, err := journal.Open(t.Context(), c.options)
			if c.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), c.refusal) {
					t.Errorf("error is %v, want one about %q", err, c.refusal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer closeJournal(t, j)
			if got := j.Durability(); got != c.durability {
				t.Errorf("durability is %v, want %v", got, c.durability)
			}
		})
	}
}

func TestRestartsDoNotPileUpEmptyChunks(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		closeJournal(t, open(t, journal.Options{Dir: dir}))
	}
	if got := files(t, dir, ".chunk"); len(got) != 1 || filepath.Base(got[0]) != wal.ChunkName(5) {
		t.Errorf("chunks are %v", got)
	}
	fill(t, dir, "a", 1)
	for range 3 {
		closeJournal(t, open(t, journal.Options{Dir: dir}))
	}
	if got := files(t, dir, ".chunk"); len(got) != 2 {
		t.Errorf("chunks are %v", got)
	}
	verifyClean(t, dir)
}

// killed copies the directory of a journal that is still open, as a killed
// process leaves it.
func killed(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	if err := os.Mkdir(filepath.Join(left, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, dir, "") {
		content, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a key file has just got its name
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, "journal", filepath.Base(name)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return left
}

func TestAfterAKillEverythingIsThereAndCopiesAreKnown(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir, ChunkBytes: wal.DataStart + 2500})
	for _, r := range storetest.Events("a", 30) {
		if _, err := j.Append(t.Context(), []store.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	dir = killed(t, dir)
	again := open(t, journal.Options{Dir: dir})
	if got := storetest.ReadAll(t, again, 7); len(got) != 30 {
		t.Errorf("%d events are there", len(got))
	}
	receipts, err := again.Append(t.Context(), storetest.Events("a", 31))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts[:30] {
		if r.Status != daybook.Duplicate || r.Position != store.Position(i+1) {
			t.Errorf("copy %d: %+v", i, r)
		}
	}
	if receipts[30].Status != daybook.Stored || receipts[30].Position != 31 {
		t.Errorf("a new event: %+v", receipts[30])
	}
}

// syncsFS remembers which files were synced after being opened for writing.
type syncsFS struct {
	wal.OS
	synced map[string]bool
}

func (f syncsFS) Edit(name string) (wal.File, error) {
	file, err := f.OS.Edit(name)
	return syncsFile{File: file, name: name, fs: f}, err
}

type syncsFile struct {
	wal.File
	name string
	fs   syncsFS
}

func (f syncsFile) Sync() error {
	f.fs.synced[f.name] = true
	return f.File.Sync()
}

func TestWhatAKilledProcessWroteIsSyncedBeforeItIsShown(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 30)
	chunks := files(t, dir, ".chunk")
	fs := syncsFS{synced: map[string]bool{}}
	open(t, journal.Options{Dir: dir, FS: fs})
	if last := chunks[len(chunks)-1]; !fs.synced[last] {
		t.Errorf("%s was not synced, only %v", last, fs.synced)
	}
}

func TestATornTailIsLeftOutAndCountedOnce(t *testing.T) {
	running := t.TempDir()
	if _, err := open(t, journal.Options{Dir: running}).Append(t.Context(), storetest.Events("a", 3)); err != nil {
		t.Fatal(err)
	}
	dir := killed(t, running)
	last := files(t, dir, ".chunk")[0]
	content, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	torn := slices.Concat(content, content[wal.DataStart:wal.DataStart+100])
	torn[len(content)+3]++
	if err := os.WriteFile(last, torn, 0o600); err != nil {
		t.Fatal(err)
	}

	j := open(t, journal.Options{Dir: dir})
	if s := j.Stats(); s.TornTails != 1 || s.DamagedRecords != 0 || s.Events != 3 {
		t.Errorf("stats are %+v", s)
	}
	if got := appendOne(t, j, "next"); got.Position != 4 {
		t.Errorf("the next event is stored at %d", got.Position)
	}
	closeJournal(t, j)
	verifyClean(t, dir)
	if s := open(t, journal.Options{Dir: dir}).Stats(); s.TornTails != 0 || s.Events != 4 {
		t.Errorf("stats after another start are %+v", s)
	}
}

func TestAChunkWithADamagedHeaderCostsOnlyItsOwnRecords(t *testing.T) {
	for name, which := range map[string]int{"in the middle": 1, "the last": -1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, "a", 30)
			chunks := files(t, dir, ".chunk")
			// As if it had been killed, not stopped: then nothing seals the last.
			if err := os.Remove(chunks[len(chunks)-1]); err != nil {
				t.Fatal(err)
			}
			chunks = chunks[:len(chunks)-1]
			before := len(dump(t, dir))
			damaged := chunks[(which+len(chunks))%len(chunks)]
			overwrite(t, damaged, 0, make([]byte, wal.DataStart))

			j := open(t, journal.Options{Dir: dir})
			if j.Stats().DamagedRecords == 0 {
				t.Error("the damage is not counted")
			}
			kept := storetest.ReadAll(t, j, 100)
			if len(kept) == before || len(kept) < before-8 {
				t.Errorf("%d of %d events are left", len(kept), before)
			}
			r := appendOne(t, j, "fresh")
			if r.Status != daybook.Stored || r.Position <= 30 {
				t.Errorf("a new event: %+v; 30 positions have been given away", r)
			}
		})
	}
}

func TestR9ChunksOfAnotherJournalAreRefused(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	fill(t, one, "a", 3)
	fill(t, other, "b", 30)
	foreign := files(t, other, ".chunk")
	last := foreign[len(foreign)-1]
	if err := os.Rename(last, filepath.Join(one, "journal", filepath.Base(last))); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(t.Context(), journal.Options{Dir: one}); err == nil || !strings.Contains(err.Error(), "different journals") {
		t.Errorf("got %v", err)
	}
}

func TestR9OpenSaysWhyADirectoryCannotBeUsed(t *testing.T) {
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", occupied} {
		if j, err := journal.Open(t.Context(), journal.Options{Dir: dir}); err == nil {
			closeJournal(t, j)
			t.Errorf("%q was opened", dir)
		} else if !strings.Contains(err.Error(), "journal: "+dir) {
			t.Errorf("%q does not name the directory", err)
		}
	}
}

func TestProbeMeasuresAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	took, free, err := journal.Probe(dir)
	if err != nil || took <= 0 || free == 0 {
		t.Errorf("got %v, %d, %v", took, free, err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if _, _, err := journal.Probe(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
