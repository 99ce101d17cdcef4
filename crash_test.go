package daybook_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/daybooktest"
)

// The test binary is also the programs that these tests start and kill.
func TestMain(m *testing.M) {
	switch os.Getenv("DAYBOOK_TEST_PROGRAM") {
	case "saves for ever":
		savesForEver()
	case "records and exits":
		recordsAndExits()
	default:
		code := m.Run()
		if left := leftBehind(); code == 0 && left != "" {
			fmt.Fprintf(os.Stderr, "goroutines of this package are left:\n%s", left)
			code = 1
		}
		os.Exit(code)
	}
}

// leftBehind returns the stacks of our goroutines that do not end by themselves.
func leftBehind() (stacks string) {
	for range 200 {
		if stacks = ours(); stacks == "" {
			return ""
		}
		<-time.After(10 * time.Millisecond)
	}
	return stacks
}

func program(ctx context.Context, name, gateway, dir string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), "DAYBOOK_TEST_PROGRAM="+name, "DAYBOOK_GATEWAY="+gateway, "DAYBOOK_TEST_DIR="+dir, "DO_NOT_TRACK=")
	cmd.Stderr = os.Stderr
	return cmd
}

func openProgram() *daybook.Client {
	c, err := daybook.Open(daybook.Config{
		Spool: daybook.SpoolOptions{Dir: os.Getenv("DAYBOOK_TEST_DIR")}, CloseWithin: 300 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return c
}

// savesForEver prints the IDs of events once Save has acknowledged them.
func savesForEver() {
	c, ctx := openProgram(), context.Background()
	out := bufio.NewWriter(os.Stdout)
	for {
		events := make([]daybook.Event, 1+rand.IntN(5))
		for i := range events {
			events[i] = c.Event(ctx, daybook.Log, "saved", slog.Int("i", i))
		}
		if err := c.Save(ctx, events...); err != nil {
			panic(err)
		}
		for _, e := range events {
			fmt.Fprintln(out, e.ID)
		}
		_ = out.Flush()
	}
}

func recordsAndExits() {
	c, ctx := openProgram(), context.Background()
	for i := range 25 {
		c.Record(ctx, daybook.Behavioral, "step", slog.Int("i", i))
	}
	_ = c.Close(ctx)
}

func TestEverythingSavedReachesTheGatewayOnceAlthoughItsProcessIsKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there is no lock that ends with its process")
	}
	cycles := 12
	if n, err := strconv.Atoi(os.Getenv("DAYBOOK_CRASH_CYCLES")); err == nil {
		cycles = n
	}
	g, dir := daybooktest.Gateway(t), t.TempDir()
	acknowledged := map[string]bool{}
	for cycle := range cycles {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := program(ctx, "saves for ever", g.URL, dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n, stopAt := 0, 1+rand.IntN(400); lines.Scan(); n++ {
			if len(lines.Text()) == 36 {
				acknowledged[lines.Text()] = true
			}
			if n == stopAt {
				_ = cmd.Process.Kill() // and read what it had said
			}
		}
		_ = cmd.Wait()
		cancel()
		if cycle%3 == 1 { // at times the gateway is away
			g.Fail(daybooktest.Answer(503), daybooktest.LoseReply(), daybooktest.HangUp())
		}
	}
	drain(t, g.URL, dir)
	stored := map[string]int{}
	for _, e := range g.Events() {
		stored[e.ID]++
	}
	lost := 0
	for id := range acknowledged {
		if stored[id] != 1 {
			lost++
		}
	}
	if lost > 0 || len(acknowledged) < cycles {
		t.Errorf("of %d acknowledged events %d are not at the gateway exactly once", len(acknowledged), lost)
	}
	if names := list(t, filepath.Join(dir, "gateway")); len(names) > 0 {
		t.Errorf("files are left: %v", names)
	}
	t.Logf("%d events acknowledged by %d processes that were killed; the gateway has %d", len(acknowledged), cycles, len(stored))
}

func TestAProgramThatWasOfflineIsHeardOnceItIsOnline(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there is no lock that ends with its process")
	}
	dir := t.TempDir()
	for range 3 {
		start := time.Now()
		cmd := program(t.Context(), "records and exits", "http://127.0.0.1:1", dir)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("offline it took %v", took)
		}
	}
	g := daybooktest.Gateway(t)
	for range 2 {
		if err := program(t.Context(), "records and exits", g.URL, dir).Run(); err != nil {
			t.Fatal(err)
		}
	}
	drain(t, g.URL, dir) // what a busy machine did not let them send within their 300 ms
	events := g.Events()
	if len(events) != 5*25 {
		t.Errorf("the gateway has %d events of %d", len(events), 5*25)
	}
	for i, e := range events {
		if want := fmt.Sprintf(`{"i":%d}`, i%25); i < 3*25 && !strings.Contains(string(e.Metadata), want) {
			t.Fatalf("event %d is %s, want %s: the oldest come first", i, e.Metadata, want)
		}
	}
}

// drain delivers what processes before have left in their spool.
func drain(t *testing.T, gateway, dir string) {
	t.Helper()
	last, err := daybook.Open(daybook.Config{
		Gateway: gateway, Spool: daybook.SpoolOptions{Dir: dir}, IgnoreDoNotTrack: true, Logger: slog.New(slog.DiscardHandler),
		Retry: daybook.RetryOptions{Max: 10 * time.Millisecond, Min: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is delivered", func() bool { return last.Flush(t.Context()) == nil })
	if err := last.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
