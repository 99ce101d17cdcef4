package journal_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
)

// TestR10 opens a large backlog in a process of its own, and looks how long that
// takes and how much memory the process ever had.
func TestR10AStartDoesNotDependOnTheBacklog(t *testing.T) {
	backlog, seconds, megabytes := size(128, 10_000), 2.0, size(80, 200)
	dir := t.TempDir()
	makeBacklog(t, dir, int64(backlog)<<20)
	best := openChild(t, dir)
	for range size(0, 4) { // a machine may have something else to do
		again := openChild(t, dir)
		best.took, best.peak = min(best.took, again.took), max(best.peak, again.peak)
		best.worked = min(best.worked, again.worked)
	}
	t.Logf("%d MB with %d keys opened in %.2f s, %.2f s of processor time, %d MB at most",
		backlog, best.keys, best.took, best.worked, best.peak>>10)
	if best.peak>>10 > megabytes || best.keys < backlog*500 {
		t.Errorf("at most %d MB were wanted, and %d keys", megabytes, backlog*500)
	}
	// A machine that gives others most of its time proves nothing about ours. The
	// short form is mostly run on such.
	busy := best.took > 2*best.worked
	if inLab() && best.took > seconds && !(busy && best.worked < seconds) {
		t.Errorf("at most %.1f s were wanted", seconds)
	}
}

// An opening is what TestChildOpens says of one.
type opening struct {
	took, worked float64 // seconds by the clock, and of processor time
	peak, keys   int     // kilobytes, and how many
}

func openChild(t *testing.T, dir string) (o opening) {
	t.Helper()
	out, err := child(t, "TestChildOpens", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, said, _ := strings.Cut(string(out), "opened: ")
	if _, err := fmt.Sscanf(said, "%f s, %f s worked, %d kB, %d keys", &o.took, &o.worked, &o.peak, &o.keys); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return o
}

// makeBacklog fills a journal with events of about a kilobyte.
func makeBacklog(t *testing.T, dir string, bytes int64) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir, Now: justAfter, MaxBytes: 2 * max(bytes, 10<<30)})
	if err != nil {
		t.Fatal(err)
	}
	metadata := []byte(`{"text":"` + strings.Repeat("x", 780) + `"}`)
	records := make([]store.Record, 4000)
	for n := int64(0); n < bytes>>10; n += int64(len(records)) {
		for i := range records {
			records[i] = storetest.Event("c", strconv.FormatInt(n+int64(i), 10))
			records[i].Event.Metadata = metadata
		}
		if _, err := j.Append(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
	// As if it had been killed: nothing seals the last chunk, it has no key file,
	// and the next start has to read it.
	chunks, keys := files(t, dir, ".chunk"), files(t, dir, ".keys")
	for _, name := range []string{chunks[len(chunks)-1], keys[len(keys)-1]} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChildOpens opens a journal, uses it, and says what that took.
func TestChildOpens(t *testing.T) {
	dir := childDir(t)
	var j *journal.Journal
	var took time.Duration
	worked := cpu(func() {
		took = elapsed(func() { j = open(t, journal.Options{Dir: dir, Now: justAfter, MaxBytes: 1 << 40}) })
	})
	appendOne(t, j, "fresh")
	if _, newest := j.Bounds(); newest < 1000 {
		t.Fatalf("newest is %d", newest)
	}
	fmt.Fprintf(os.Stdout, "opened: %.3f s, %.3f s worked, %d kB, %d keys\n",
		took.Seconds(), worked.Seconds(), peakMemory(t), j.Stats().DedupKeys)
}

// peakMemory is the most memory this process ever had, in kB.
func peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes
}
