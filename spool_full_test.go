package daybook_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"daybook.dev"
)

func TestWhatIsBeingSentWhileTheSpoolGetsFullIsCountedOnce(t *testing.T) {
	m, gate := &memory{}, make(chan struct{})
	m.answers(func(context.Context, []daybook.Event) error { <-gate; return nil })
	cfg := spooled(t.TempDir(), m)
	cfg.Spool.Bytes = 256 << 10
	c := open(t, cfg)
	metadata := []byte(`{"a":"` + strings.Repeat("x", 10<<10) + `"}`)
	save := func(i int) {
		t.Helper()
		if err := c.Save(t.Context(), daybook.Event{Name: strconv.Itoa(i), Metadata: metadata}); err != nil {
			t.Fatal(err)
		}
	}
	save(0)
	eventually(t, "the first is being sent", func() bool { return m.written() == 1 })
	for i := range 60 {
		save(1 + i)
	}
	lost := balanced(t, c).Dropped["spool_full"]
	if lost == 0 {
		t.Fatal("the spool did not get full: this proves nothing")
	}
	close(gate)
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("Flush said %v", err)
	}
	got := m.names()
	if s := balanced(t, c); s.Delivered != 61-lost || uint64(len(got)) != s.Delivered {
		t.Errorf("%d were written, stats %+v", len(got), s)
	}
	if !slices.Contains(got, "60") {
		t.Errorf("Flush said that nothing is left, and the last event is: %v", got)
	}
}
