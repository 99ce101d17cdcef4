package evidence_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/evidence"
)

// run runs a log until the function it returns is called.
func (b book) run(o evidence.Options) (stop func()) {
	b.t.Helper()
	l, err := evidence.Open(o)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestRecordsAreCoveredWhileTheyAreStored(t *testing.T) {
	b := newBook(t)
	j := b.open()
	defer b.close(j)
	o := b.options(j)
	covered := make(chan store.Position, 1000)
	o.Every, o.Hold = time.Millisecond, func(after store.Position) { covered <- after }
	stop := b.run(o)
	for range 10 {
		b.store(j, time.Now().String(), 30)
	}
	for after := store.Position(0); after < 300; {
		after = <-covered // without a stop: in its own time
	}
	early := b.checkpoint()
	b.store(j, "last", 7)
	stop()
	if r := b.clean(early); r.Newest.Size != 307 {
		t.Errorf("when it ended it covered %d records", r.Newest.Size)
	}
}

// told is a log handler that says when an error was logged.
type told chan string

func (c told) Enabled(context.Context, slog.Level) bool { return true }
func (c told) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c told) WithGroup(string) slog.Handler            { return c }
func (c told) Handle(_ context.Context, r slog.Record) error {
	select {
	case c <- r.Message:
	default: // nobody waits for it any more
	}
	return nil
}

func TestADiskThatTakesNoEvidenceIsToldAndCaughtUpWith(t *testing.T) {
	b := newBook(t)
	early := b.write("a", 300)
	j := b.open()
	defer b.close(j)
	o := b.options(j)
	messages, covered := make(told, 1), make(chan store.Position, 1000)
	o.Every, o.Log = time.Millisecond, slog.New(messages)
	o.Hold = func(after store.Position) { covered <- after }
	stop := b.run(o)
	if first := <-covered; first != 300 {
		t.Errorf("it holds what is behind %d", first)
	}

	// No file can be made in the folder; those that are open can be written.
	dir := filepath.Join(b.dir, "evidence")
	if err := os.Mkdir(filepath.Join(dir, "checkpoint.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.store(j, "b", 300)
	if got := <-messages; got != "tamper evidence not written; it is tried again" {
		t.Errorf("logged %q", got)
	}
	if err := os.Remove(filepath.Join(dir, "checkpoint.tmp")); err != nil {
		t.Fatal(err)
	}
	for after := store.Position(0); after < 600; {
		after = <-covered
	}
	stop()
	b.clean(early)
	b.clean(b.checkpoint())
}
