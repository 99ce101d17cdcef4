package daybook_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"daybook.dev"
)

func TestWhatASinkLeavesOnDiskIsCountedOnceWhenItComesBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		with := func(s daybook.Sink) daybook.Config {
			cfg := quiet(to(s))
			cfg.Spool.Dir = dir
			return cfg
		}
		c := open(t, with(&memory{answer: down}))
		record(t, c, "a", "b", "c")
		away := with(daybook.Discard)
		away.Sinks = map[string]daybook.Sink{"other": daybook.Discard}
		if left, ok := errors.AsType[*daybook.UndeliveredError](c.Reconfigure(t.Context(), away)); !ok || left.Spooled != 3 {
			t.Fatalf("Reconfigure said %v", left)
		}
		m := &memory{}
		if err := c.Reconfigure(t.Context(), with(m)); err != nil {
			t.Fatal(err)
		}
		if s := balanced(t, c); s.Recorded != 3 || s.Spooled+s.Delivered != 3 || s.Recovered != 0 {
			t.Errorf("back again: %+v", s)
		}
		_ = c.Flush(t.Context())
		if s := balanced(t, c); s.Delivered != 3 || s.Spooled != 0 || len(m.all()) != 3 {
			t.Errorf("in the end: %+v", s)
		}
	})
}
