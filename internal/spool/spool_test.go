package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev/internal/spool"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// A rig is a spool whose clock and evictions the test sees.
type rig struct {
	*spool.Spool
	now     time.Time
	evicted map[spool.Reason]int
}

func open(t *testing.T, o spool.Options) *rig {
	t.Helper()
	r := &rig{now: time.Unix(1_800_000_000, 0), evicted: map[spool.Reason]int{}}
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.Age == 0 {
		o.Age = time.Hour
	}
	o.Now = func() time.Time { return r.now }
	o.Evicted = func(why spool.Reason, n int) { r.evicted[why] += n }
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Spool = s
	t.Cleanup(func() { _ = s.Close() })
	return r
}

func (r *rig) append(t *testing.T, records ...string) {
	t.Helper()
	var list [][]byte
	for _, s := range records {
		list = append(list, []byte(s+"\n"))
	}
	if err := r.Append(list); err != nil {
		t.Fatal(err)
	}
}

// rest reads and finishes everything.
func (r *rig) rest(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	for {
		b, err := r.Next(3, 1<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b.Events == 0 {
			return strings.ReplaceAll(strings.TrimSpace(all.String()), "\n", " ")
		}
		all.Write(b.Data)
		r.Done(b)
	}
}

func (r *rig) adopt(t *testing.T, want int) {
	t.Helper()
	n, err := r.Adopt()
	if err != nil || n != want {
		t.Fatalf("adopted %d records, %v; want %d", n, err, want)
	}
}

func TestWhatWasAppendedIsReadInOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir})
	s.append(t, "a", "b")
	s.append(t, "c")
	b, err := s.Next(2, 1<<20, nil)
	if err != nil || b.Events != 2 || string(b.Data) != "a\nb\n" {
		t.Fatalf("%d %q, %v", b.Events, b.Data, err)
	}
	if again, _ := s.Next(2, 1<<20, nil); string(again.Data) != "a\nb\n" {
		t.Errorf("what is not done is read again: %q", again.Data)
	}
	if small, _ := s.Next(9, 11, nil); small.Events != 1 {
		t.Errorf("%d events in 11 bytes", small.Events)
	}
	s.Done(b)
	s.Done(b)
	if s.Len() != 1 {
		t.Errorf("%d are left, want 1", s.Len())
	}
	s.append(t, "d")
	if got := s.rest(t); got != "c d" || s.Len() != 0 {
		t.Errorf("the rest is %q, %d are left", got, s.Len())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("an empty spool leaves %v", names)
	}
	if err := s.Append([][]byte{[]byte("late")}); err == nil {
		t.Error("a closed spool takes records")
	}
}

func TestTheNextProcessFindsWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	first := open(t, spool.Options{Dir: dir})
	first.append(t, "a", "b", "c")
	b, _ := first.Next(1, 1<<20, nil)
	first.Done(b)

	second := open(t, spool.Options{Dir: dir})
	second.adopt(t, 0) // the first one lives
	second.append(t, "x")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second.adopt(t, 2)
	if got := second.rest(t); got != "b c x" && got != "x b c" {
		t.Errorf("it finds %q", got)
	}
	_ = second.Close()
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

func TestAThousandRunsShareOneDirectory(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		s := open(t, spool.Options{Dir: dir})
		s.adopt(t, i)
		s.append(t, fmt.Sprint(i))
		_ = s.Close()
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("%d directories", len(names))
	}
	s := open(t, spool.Options{Dir: dir})
	s.adopt(t, 20)
	if got := s.rest(t); got != "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19" {
		t.Errorf("found %q", got)
	}
}

func TestFilesAreTheirOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, spool.Options{Dir: dir})
	s.append(t, "a", "b")
	b, _ := s.Next(1, 10, nil)
	s.Done(b)
	files := 0
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if files != 3 { // lock, cursor, chunk
		t.Errorf("%d files", files)
	}
}

func TestTheOldestGiveWayWhenThereIsNoRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Bytes: 256 << 10})
	big := strings.Repeat("x", 10<<10)
	for range 100 {
		s.append(t, big)
	}
	if s.evicted[spool.Full] == 0 || s.Len()+s.evicted[spool.Full] != 100 {
		t.Errorf("%d kept, evicted %v", s.Len(), s.evicted)
	}
	var size int64
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, _ error) error {
		if !info.IsDir() {
			size += info.Size()
		}
		return nil
	})
	if size > 300<<10 {
		t.Errorf("%d bytes", size)
	}
}

func TestWhatIsBeingSentDoesNotGiveWay(t *testing.T) {
	big := strings.Repeat("x", 10<<10)
	for _, c := range []struct {
		name string
		end  func(*spool.Spool, spool.Batch)
		done int
	}{
		{"and is done once it was delivered", (*spool.Spool).Done, 2},
		{"and does so once it was not", (*spool.Spool).Keep, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, spool.Options{Dir: t.TempDir(), Bytes: 256 << 10})
			s.append(t, big, big, big, big) // a chunk
			b, err := s.Next(2, 1<<20, nil)
			if err != nil || b.Events != 2 {
				t.Fatalf("%d events, %v", b.Events, err)
			}
			for range 40 {
				s.append(t, big)
			}
			if s.evicted[spool.Full] == 0 || s.Len()+s.evicted[spool.Full] != 44 {
				t.Errorf("%d kept, evicted %v, of 44", s.Len(), s.evicted)
			}
			if again, _ := s.Next(2, 1<<20, nil); !bytes.Equal(again.Data, b.Data) {
				t.Error("the batch is gone")
			}
			c.end(s.Spool, b)
			if done := 44 - s.Len() - s.evicted[spool.Full]; done != c.done {
				t.Errorf("%d were done, want %d", done, c.done)
			}
			s.append(t, big)
			rest := s.rest(t)
			if n := strings.Count(rest, big); n+s.evicted[spool.Full]+c.done != 45 {
				t.Errorf("%d are read, evicted %v, %d done, of 45", n, s.evicted, c.done)
			}
		})
	}
}

func TestWhatIsTooOldIsGivenUp(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir(), Age: time.Minute})
	s.append(t, "a", "b")
	s.now = s.now.Add(50 * time.Second)
	s.append(t, "c")
	s.now = s.now.Add(20 * time.Second)
	if got := s.rest(t); got != "c" || s.evicted[spool.Expired] != 2 {
		t.Errorf("kept %q, evicted %v", got, s.evicted)
	}
}

func TestPurgeRemovesEverything(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir()})
	s.append(t, "a", "b")
	if n, err := s.Purge(); n != 2 || err != nil || s.Len() != 0 {
		t.Errorf("purged %d, %v, %d left", n, err, s.Len())
	}
	s.append(t, "c")
	if got := s.rest(t); got != "c" {
		t.Errorf("after it %q", got)
	}
}

func TestDamageIsCountedAndTheRestIsRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir})
	s.append(t, "aaaa")
	s.append(t, "bbbb")
	s.append(t, "cccc")
	_ = s.Close()
	chunks, _ := filepath.Glob(filepath.Join(dir, "*", "*.chunk"))
	content, err := os.ReadFile(chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	content[bytes.Index(content, []byte("bbbb"))] ^= 1
	if err := os.WriteFile(chunks[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, spool.Options{Dir: dir})
	again.adopt(t, 3)
	if got := again.rest(t); got != "aaaa cccc" || again.evicted[spool.Damaged] != 1 {
		t.Errorf("read %q, evicted %v", got, again.evicted)
	}
}

func TestACursorOfAnotherChunkCountsForNothing(t *testing.T) {
	cursors := make([]string, 2)
	for i := range cursors {
		dir := t.TempDir()
		s := open(t, spool.Options{Dir: dir})
		s.append(t, "a", "b", "c")
		b, _ := s.Next(2, 1<<20, nil)
		s.Done(b)
		_ = s.Close()
		found, _ := filepath.Glob(filepath.Join(dir, "*", "cursor"))
		cursors[i] = found[0]
	}
	foreign, err := os.ReadFile(cursors[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cursors[1], foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, spool.Options{Dir: filepath.Dir(filepath.Dir(cursors[1]))})
	s.adopt(t, 3) // sent once more, rather than never
	damaged := append([]byte(nil), foreign...)
	damaged[10] ^= 1
	if err := os.WriteFile(cursors[0], damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, spool.Options{Dir: filepath.Dir(filepath.Dir(cursors[0]))})
	s.adopt(t, 3)
}

func TestManyAppendsShareASync(t *testing.T) {
	disk := &syncs{FS: wal.OS{}}
	s := open(t, spool.Options{Dir: t.TempDir(), FS: disk})
	s.append(t, "first") // makes the files
	disk.slow = 20 * time.Millisecond
	before := disk.count()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := s.Append([][]byte{[]byte("x\n")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := disk.count() - before; n > 10 || s.Len() != 51 {
		t.Errorf("%d syncs for 50 appends, %d records", n, s.Len())
	}
}

// syncs counts the syncs of files, and makes them slow so that others join.
type syncs struct {
	wal.FS
	slow time.Duration
	mu   sync.Mutex
	n    int
}

type slowFile struct {
	wal.File
	s *syncs
}

func (s *syncs) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func (s *syncs) Create(name string) (wal.File, error) {
	f, err := s.FS.Create(name)
	return slowFile{f, s}, err
}

func (f slowFile) Sync() error {
	f.s.mu.Lock()
	f.s.n++
	f.s.mu.Unlock()
	<-time.After(f.s.slow)
	return f.File.Sync()
}

// Every call of the disk fails once. Nothing that was acknowledged is lost,
// and the spool goes on.
func TestNothingAcknowledgedIsLostWhenTheDiskFails(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		disk := waltest.Wrap(wal.OS{})
		s := open(t, spool.Options{Dir: dir, FS: disk})
		disk.FailAt(n, errors.New("the disk says no"))
		acknowledged := map[string]bool{}
		for i := range 6 {
			name := fmt.Sprintf("r%d", i)
			if err := s.Append([][]byte{[]byte(name + "\n")}); err == nil {
				acknowledged[name] = true
			}
		}
		failed := disk.Failed()
		disk.Heal()
		_ = s.Close()
		next := open(t, spool.Options{Dir: dir})
		if _, err := next.Adopt(); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for name := range strings.FieldsSeq(next.rest(t)) {
			found[name] = true
		}
		for name := range acknowledged {
			if !found[name] {
				t.Errorf("call %d failed: %s was acknowledged and is lost; found %v", n, name, found)
			}
		}
		if !failed {
			if len(acknowledged) != 6 {
				t.Errorf("without a failure %d of 6 were acknowledged", len(acknowledged))
			}
			return
		}
		if len(acknowledged) < 5 {
			t.Errorf("one failure of call %d cost %d appends", n, 6-len(acknowledged))
		}
	}
}

// The power fails after every call of the disk, and any part of what was not
// synced may survive.
func TestNothingAcknowledgedIsLostWhenThePowerFails(t *testing.T) {
	for _, keep := range []waltest.Keep{waltest.Nothing, waltest.Sectors, waltest.Everything} {
		for n := 1; ; n++ {
			disk := waltest.NewDisk(uint64(n))
			disk.CutAfter(n)
			s := open(t, spool.Options{Dir: "/s", FS: disk})
			acknowledged := map[string]bool{}
			for i := range 4 {
				name := fmt.Sprintf("r%d", i)
				if err := s.Append([][]byte{[]byte(name + "\n")}); err == nil {
					acknowledged[name] = true
				}
			}
			cut := disk.Cut()
			after := disk.Restart(keep)
			next := open(t, spool.Options{Dir: "/s", FS: after})
			if _, err := next.Adopt(); err != nil {
				t.Fatalf("cut after %d: %v", n, err)
			}
			found := next.rest(t)
			for name := range acknowledged {
				if !strings.Contains(found, name) {
					t.Errorf("cut after %d, keep %v: %s was acknowledged and is lost; found %q", n, keep, name, found)
				}
			}
			if !cut {
				break
			}
		}
	}
}
