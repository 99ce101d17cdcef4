package daybook_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

// chunks returns the files that the sink "test" has in a spool.
func chunks(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "test", "*", "*.chunk"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no chunks: %v", err)
	}
	return names
}

func TestASpoolThatSomebodyRemovedHoldsUpNothing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		c := open(t, spooled(dir, m))
		record(t, c, "a", "b", "c")
		time.Sleep(time.Minute)
		if s := balanced(t, c); s.Spooled != 3 {
			t.Fatalf("stats %+v", s)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		m.answers(nil)
		record(t, c, "d", "e")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := m.names(); !slices.Equal(got, []string{"d", "e"}) {
			t.Errorf("delivered %v", got)
		}
		if s := balanced(t, c); s.Dropped["failed"] != 3 || s.Spooled != 0 {
			t.Errorf("stats %+v", s)
		}
		if err := c.Save(t.Context(), daybook.Event{Name: "f"}); err != nil {
			t.Errorf("Save said %v", err)
		}
		if err := c.Flush(t.Context()); err != nil || !slices.Contains(m.names(), "f") {
			t.Errorf("Flush said %v; delivered %v", err, m.names())
		}
	})
}

func TestASpoolThatCannotBeReadHoldsUpNothing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{answer: down}
		cfg := spooled(dir, m)
		cfg.Retry = daybook.RetryOptions{Min: time.Millisecond, Max: time.Millisecond}
		c := open(t, cfg)
		record(t, c, "a", "b", "c")
		time.Sleep(time.Minute)
		chunk := chunks(t, dir)[0]
		if err := os.Rename(chunk, chunk+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(chunk, 0o700); err != nil { // what cannot be read as a file
			t.Fatal(err)
		}
		m.answers(nil)
		time.Sleep(time.Minute)
		record(t, c, "d", "e")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := m.names(); !slices.Equal(got, []string{"d", "e"}) {
			t.Errorf("delivered %v", got)
		}
		_ = ended(t, flushing(t, c))
		if err := os.Remove(chunk); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(chunk+".away", chunk); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := m.names(); !slices.Equal(got, []string{"d", "e", "a", "b", "c"}) {
			t.Errorf("once it can be read again: delivered %v", got)
		}
		balanced(t, c)
	})
}
