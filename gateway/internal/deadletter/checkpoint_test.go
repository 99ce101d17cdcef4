package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// newDisk returns a disk with the directory /data.
func newDisk(t tester, seed uint64) *waltest.Disk {
	t.Helper()
	d := waltest.NewDisk(seed)
	if err := errors.Join(d.Mkdir("/data"), d.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	return d
}

// stopped lets the index take everything in and write its checkpoint.
func stopped(t tester, index *deadletter.Index) {
	t.Helper()
	if _, err := index.List(context.Background(), deadletter.Filter{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	index.Run(ctx)
}

// check compares an index with what it has to be.
func check(t tester, index *deadletter.Index, m *model) {
	t.Helper()
	l, err := index.List(context.Background(), deadletter.Filter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range l.Entries {
		got = append(got, fmt.Sprint(e.Destination, " ", e.Position, " ", e.Record, " ", e.Caller, " ", e.Reason))
	}
	if !slices.Equal(got, m.lines()) || l.Unlisted != m.unlisted || l.Expired != m.expired || l.Open != len(got) {
		t.Fatalf("open are %q, %d unlisted, %d expired\nwant %q, %d, %d", got, l.Unlisted, l.Expired, m.lines(), m.unlisted, m.expired)
	}
}

// counting is a store that counts the records it is asked for.
type counting struct {
	memory
	read int
}

func (c *counting) ReadKinds(ctx context.Context, after store.Position, most int, kinds ...store.Kind) ([]store.Entry, store.Position, error) {
	entries, through, err := c.memory.ReadKinds(ctx, after, most, kinds...)
	c.read += len(entries)
	return entries, through, err
}

// full returns a store with dead letters of every kind, and options for an
// index over it.
func full(disk wal.FS, log *bytes.Buffer) (*counting, deadletter.Options) {
	c := &counting{}
	for i := range 20 {
		c.Add(fmt.Sprint(i), noon, 0)
		c.AddRecord(refused(fmt.Sprint(i), "kafka", store.Position(2*i+1)), 0)
	}
	c.AddRecord(settled("kafka", 7, daybook.Stored, "retried"), 0)
	c.AddRecord(settled("statsig", 5, daybook.Failed, "forward_failed"), 0)
	c.AddRecord(refused("never", "", 0), 0)
	return c, deadletter.Options{
		Data: "/data", Store: "one.1", Source: c, Write: (&destination{}).write, FS: disk, PerCaller: 18, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

func entries(t *testing.T, index *deadletter.Index) deadletter.List {
	t.Helper()
	l, err := index.List(t.Context(), deadletter.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func same(a, b deadletter.List) bool {
	return slices.Equal(a.Entries, b.Entries) && a.Totals == b.Totals && a.Matched == b.Matched
}

func TestAStartContinuesWithTheCheckpoint(t *testing.T) {
	var log bytes.Buffer
	source, options := full(newDisk(t, 1), &log)
	first := deadletter.Open(options)
	want := entries(t, first)
	stopped(t, first)
	if want.Open != 18 || want.Unlisted != 3 {
		t.Fatalf("the test has other dead letters than it thinks: %+v", want.Totals)
	}
	source.read = 0
	again := deadletter.Open(options)
	if got := entries(t, again); !same(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if source.read != 0 {
		t.Errorf("it read %d records", source.read)
	}
	if log.Len() > 0 {
		t.Errorf("it logged %s", &log)
	}
}

func TestACheckpointIsWrittenOnlyWhenThereIsSomethingNew(t *testing.T) {
	disk := newDisk(t, 1)
	source, options := full(disk, &bytes.Buffer{})
	stopped(t, deadletter.Open(options))
	written := len(disk.Log())
	source.Add("another event", noon, 0)
	stopped(t, deadletter.Open(options))
	if now := len(disk.Log()); now != written {
		t.Errorf("an event was no reason for %d operations", now-written)
	}
	source.AddRecord(refused("x", "kafka", 1), 0)
	stopped(t, deadletter.Open(options))
	if now := len(disk.Log()); now == written {
		t.Error("a dead letter was no reason to write")
	}
}

// A crash at every step of writing a checkpoint, with every choice of what
// survives it, costs at most the time to read the records again.
func TestACrashDuringACheckpointLosesNothing(t *testing.T) {
	for _, keep := range []waltest.Keep{waltest.Nothing, waltest.Everything, waltest.Pages, waltest.Sectors} {
		for n := 1; ; n++ {
			disk := newDisk(t, uint64(n))
			source, options := full(disk, &bytes.Buffer{})
			first := deadletter.Open(options)
			stopped(t, first)
			source.AddRecord(refused("new", "postgres", 1), 0)
			source.AddRecord(settled("kafka", 9, daybook.Stored, "retried"), 0)
			want := entries(t, first)
			disk.CutAfter(n)
			stopped(t, first)
			whole := !disk.Cut()
			options.FS = disk.Restart(keep)
			if got := entries(t, deadletter.Open(options)); !same(got, want) {
				t.Fatalf("cut at %d, keep %d: got %+v\nwant %+v", n, keep, got, want)
			}
			if whole {
				break
			}
		}
	}
}

func TestACheckpointThatIsNotWhollyRightIsMadeAgain(t *testing.T) {
	disk := newDisk(t, 1)
	source, options := full(disk, &bytes.Buffer{})
	first := deadletter.Open(options)
	want := entries(t, first)
	stopped(t, first)
	good, err := wal.ReadFile(disk, "/data/deadletters.index", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{"nothing": {}, "another format": []byte("DBKDEAD2 whatever it says")}
	for i := range good {
		bad[fmt.Sprint("cut at ", i)] = good[:i]
		flipped := slices.Clone(good)
		flipped[i] ^= 1 << (i % 8)
		bad[fmt.Sprint("flipped at ", i)] = flipped
	}
	for name, content := range bad {
		var log bytes.Buffer
		options.Log = slog.New(slog.NewTextHandler(&log, nil))
		if err := wal.ReplaceFile(disk, "/data/deadletters.index", content); err != nil {
			t.Fatal(err)
		}
		if got := entries(t, deadletter.Open(options)); !same(got, want) {
			t.Fatalf("%s: got %+v\nwant %+v", name, got, want)
		}
		if !strings.Contains(log.String(), "made again") {
			t.Errorf("%s: nobody was told: %s", name, &log)
		}
	}
	if err := wal.ReplaceFile(disk, "/data/deadletters.index", good); err != nil {
		t.Fatal(err)
	}
	source.read = 0
	options.Store = "one.2"
	if got := entries(t, deadletter.Open(options)); !same(got, want) || source.read == 0 {
		t.Errorf("the index of another life of the store was used: %d records read", source.read)
	}
	options.Store, options.Source = "one.1", &memory{}
	if got := entries(t, deadletter.Open(options)); got.Open != 0 {
		t.Errorf("an index ahead of its store was used: %+v", got)
	}
}

func TestADiskThatFailsCostsNothingButTheCheckpoint(t *testing.T) {
	disk := newDisk(t, 1)
	_, options := full(disk, &bytes.Buffer{})
	first := deadletter.Open(options)
	want := entries(t, first)
	disk.Fail(func(waltest.Operation) error { return errors.New("input/output error") })
	stopped(t, first)
	if got := entries(t, first); !same(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	disk.Fail(nil)
	stopped(t, first)
	if got := entries(t, deadletter.Open(options)); !same(got, want) {
		t.Errorf("after that: got %+v\nwant %+v", got, want)
	}
}
