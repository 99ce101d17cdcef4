package evidence_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/need"
	"daybook.dev/internal/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A book is a data directory with a journal in small chunks, and the key its
// checkpoints are signed with.
type book struct {
	t   *testing.T
	dir string
	key evidence.Key
}

func newBook(t *testing.T) book {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	verifier, err := evidence.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ReadKey(name)
	if err != nil || key.Verifier != verifier {
		t.Fatalf("read %q, %v; want %q", key.Verifier, err, verifier)
	}
	return book{t: t, dir: t.TempDir(), key: key}
}

func (b book) open() *journal.Journal {
	b.t.Helper()
	j, err := journal.Open(b.t.Context(), journal.Options{Dir: b.dir, ChunkBytes: wal.DataStart + 1500})
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// store appends n events: few one by one, many in groups.
func (b book) store(j *journal.Journal, prefix string, n int) {
	b.t.Helper()
	for records := range slices.Chunk(storetest.Events(prefix, n), 1+n/20) {
		if _, err := j.Append(b.t.Context(), records); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b book) close(j *journal.Journal) {
	b.t.Helper()
	if err := j.Close(context.Background()); err != nil {
		b.t.Fatal(err)
	}
}

func (b book) options(j *journal.Journal) evidence.Options {
	id, epoch := j.Life()
	return evidence.Options{Data: b.dir, Key: b.key, Journal: id, Epoch: epoch, Source: j, Records: 64}
}

// cover brings the tree up to the journal and returns the signed checkpoint.
func (b book) cover(j *journal.Journal) []byte {
	b.t.Helper()
	l, err := evidence.Open(b.options(j))
	if err != nil {
		b.t.Fatal(err)
	}
	stopped, stop := context.WithCancel(b.t.Context())
	stop()
	l.Run(stopped) // covers what is there and ends
	return b.checkpoint()
}

func (b book) checkpoint() []byte {
	b.t.Helper()
	signed, err := os.ReadFile(filepath.Join(b.dir, "evidence", "checkpoint"))
	if err != nil {
		b.t.Fatal(err)
	}
	return signed
}

// write stores n events, covers them and returns the checkpoint.
func (b book) write(prefix string, n int) []byte {
	b.t.Helper()
	j := b.open()
	defer b.close(j)
	b.store(j, prefix, n)
	return b.cover(j)
}

// check compares the journal with a checkpoint.
func (b book) check(checkpoint []byte) (evidence.Result, []evidence.Finding) {
	b.t.Helper()
	var found []evidence.Finding
	result, err := evidence.Check{
		Data: b.dir, Checkpoint: checkpoint, Key: b.key.Verifier, Records: b.records,
		Found: func(f evidence.Finding) { found = append(found, f) },
	}.Run()
	if err != nil {
		b.t.Fatal(err)
	}
	return result, found
}

func (b book) records(each func(wal.Record) error) (evidence.Kept, error) {
	r, err := journal.Records(b.dir, each)
	return evidence.Kept{From: uint64(r.Begin), Next: uint64(r.Next)}, err
}

func (b book) chunks() []string {
	b.t.Helper()
	names, err := filepath.Glob(filepath.Join(b.dir, "journal", "*.chunk"))
	if err != nil {
		b.t.Fatal(err)
	}
	return names
}

func (b book) clean(checkpoint []byte) evidence.Result {
	b.t.Helper()
	result, found := b.check(checkpoint)
	for _, f := range found {
		b.t.Error(f)
	}
	return result
}

func TestAnUntouchedJournalExtendsEveryCheckpoint(t *testing.T) {
	b := newBook(t)
	var checkpoints [][]byte
	for i := range 6 {
		checkpoints = append(checkpoints, b.write(fmt.Sprint(i), 1+70*i))
	}
	for i, c := range checkpoints {
		r := b.clean(c)
		if r.Compared != 1056 || r.Gone != 0 || r.Newest.Size != 1056 || r.Newest.First != 1 {
			t.Errorf("checkpoint %d: %+v", i, r)
		}
	}
	if r := b.clean(nil); r.Checkpoint != r.Newest {
		t.Errorf("without a checkpoint: %+v", r)
	}
}

func TestHashesOutliveTheRecordsThatRetentionRemoves(t *testing.T) {
	b := newBook(t)
	early := b.write("a", 30)
	b.write("b", 30)
	for _, name := range b.chunks()[:3] {
		os.Remove(name)
	}
	r := b.clean(early)
	if r.Gone == 0 || r.Compared+r.Gone != 60 {
		t.Errorf("got %+v", r)
	}
	j := b.open()
	defer b.close(j)
	b.store(j, "c", 5)
	b.cover(j)
	if again := b.clean(early); again.Gone != r.Gone || again.Newest.Size != 65 {
		t.Errorf("later: %+v", again)
	}
}

func TestRetentionMayRemoveRecordsWhileTheyAreCompared(t *testing.T) {
	b := newBook(t)
	c := b.write("a", 30)
	chunks := b.chunks()
	r, err := evidence.Check{
		Data: b.dir, Checkpoint: c, Key: b.key.Verifier,
		Records: func(each func(wal.Record) error) (evidence.Kept, error) {
			return b.records(func(r wal.Record) error {
				os.Remove(chunks[0]) // which is being read, and two that are not yet
				os.Remove(chunks[1])
				os.Remove(chunks[2])
				return each(r)
			})
		},
		Found: func(f evidence.Finding) { t.Error(f) },
	}.Run()
	if err != nil || r.Gone == 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestATreeThatBeginsLateCoversWhatIsKept(t *testing.T) {
	b := newBook(t)
	j := b.open()
	b.store(j, "a", 30)
	b.close(j)
	for _, name := range b.chunks()[:2] {
		os.Remove(name)
	}
	c := b.write("b", 5)
	if r := b.clean(c); r.Newest.First == 1 || r.Newest.Last() != 35 || r.Gone != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestWhatWasLostBeforeItWasCoveredIsNotSaidToBeRemoved(t *testing.T) {
	b := newBook(t)
	j := b.open()
	b.store(j, "a", 30)
	b.close(j)
	damage(t, b.chunks()[1])
	c := b.write("b", 5)
	if r := b.clean(c); r.Newest.Size != 35 || r.Compared != 34 {
		t.Errorf("got %+v", r)
	}
}

// damage makes the first record of a chunk unreadable.
func damage(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damage"), wal.DataStart+40); err != nil {
		t.Fatal(err)
	}
}

func TestACrashAtAnyMomentLeavesATreeThatGoesOn(t *testing.T) {
	b := newBook(t)
	early := b.write("a", 300)
	// Hashes were being written when the machine stopped: they are behind what
	// the checkpoint covers, and anything may be there.
	for level, n := range map[int]int{0: 301, 1: 2} {
		f, err := os.OpenFile(filepath.Join(b.dir, "evidence", fmt.Sprintf("level-%d", level)), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt([]byte("half of a hash"), int64(n-1)*32)
		f.Close()
	}
	late := b.write("b", 300)
	b.clean(early)
	b.clean(late)
}

func TestOneTreeIsNotContinuedForAnotherJournal(t *testing.T) {
	b := newBook(t)
	b.write("a", 3)
	for name, change := range map[string]func(o *evidence.Options){
		"another journal": func(o *evidence.Options) { o.Journal = "00" },
		"another key":     func(o *evidence.Options) { o.Key = newBook(t).key },
	} {
		t.Run(name, func(t *testing.T) {
			j := b.open()
			defer b.close(j)
			o := b.options(j)
			change(&o)
			if _, err := evidence.Open(o); err == nil {
				t.Error("it was opened")
			}
		})
	}
	os.Remove(filepath.Join(b.dir, "evidence", "level-0"))
	j := b.open()
	defer b.close(j)
	if _, err := evidence.Open(b.options(j)); err == nil {
		t.Error("a tree without its hashes was opened")
	}
}

func TestAKeyIsWrittenOnceAndForItsOwner(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if _, err := evidence.NewKey(name); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if _, err := evidence.NewKey(name); !os.IsExist(err) {
		t.Errorf("a second key: %v", err)
	}
}

func TestATreeIsCopiedWhileItGrows(t *testing.T) {
	b := newBook(t)
	early := b.write("a", 300)
	to := t.TempDir()
	if _, ok, err := evidence.Take(to); ok || err != nil {
		t.Errorf("of nothing: %v, %v", ok, err)
	}
	for _, prefix := range []string{"b", "c"} {
		s, ok, err := evidence.Take(b.dir)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		late := b.write(prefix, 300)
		if _, err := journal.Backup(b.dir, to, journal.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := s.CopyTo(to); err != nil {
			t.Fatal(err)
		}
		restored := b
		restored.dir = to
		restored.clean(early)
		if _, found := restored.check(late); len(found) != 1 || found[0].Verdict != evidence.Truncated {
			t.Errorf("a checkpoint from behind the copy: %v", found)
		}
	}
	// The copy goes on in its next epoch.
	b.dir = to
	b.clean(b.write("d", 5))
	b.clean(early)
}
