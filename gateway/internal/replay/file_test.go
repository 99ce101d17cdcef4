package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/replay"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// A crash after every single operation on the disk, with every choice of what
// survives it: a replay that was accepted is done, each event at least once, and
// none is passed over.
func TestACrashAtAnyTimeCostsARepetitionAtMost(t *testing.T) {
	for _, keep := range []waltest.Keep{waltest.Nothing, waltest.Everything, waltest.Pages} {
		for n := 1; ; n++ {
			whole := false
			bubble(t, func(t *testing.T, r *room) {
				r.shelf.fill(60)
				r.disk.CutAfter(n)
				asked, err := r.replayer.Start(t.Context(), replay.Spec{To: "kafka", From: "start", Rate: 10})
				time.Sleep(time.Minute)
				r.stop()
				whole = !r.disk.Cut()
				r.disk = r.disk.Restart(keep)
				r.start()
				if _, kept := r.replayer.Job(asked.ID); err != nil && !kept {
					return // it was refused, and nobody expects anything
				}
				if err == nil {
					r.finished(asked.ID)
				}
				time.Sleep(time.Minute)
				if err != nil {
					return // refused, and there all the same: it may be done
				}
				got := r.sink.names()
				for i := range 60 {
					if !slices.Contains(got, fmt.Sprint("e", i)) {
						t.Errorf("cut at %d, keep %d: e%d was not delivered", n, keep, i)
					}
				}
				if len(got) > 120 {
					t.Errorf("cut at %d, keep %d: %d deliveries", n, keep, len(got))
				}
			})
			if whole {
				break
			}
		}
	}
}

func TestAFileThatIsNotWhollyRightIsLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		j := r.finished(r.ask(everything).ID)
		name := "/data/replays/" + j.ID + ".json"
		good, err := wal.ReadFile(r.disk, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		r.stop()
		try := func(what string, content []byte, want, leftOut int) {
			t.Helper()
			if err := wal.ReplaceFile(r.disk, name, content); err != nil {
				t.Fatal(err)
			}
			r.log.Reset()
			replayer, err := replay.Open(r.options())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(replayer.List()); n != want || strings.Count(r.log.String(), "left out") != leftOut {
				t.Errorf("%s: %d replays, log %s", what, n, &r.log)
			}
			if now, err := wal.ReadFile(r.disk, name, 1<<20); err != nil || !bytes.Equal(now, content) {
				t.Errorf("%s: the file was changed", what)
			}
		}
		for i := range good {
			flipped := slices.Clone(good)
			flipped[i] ^= 1 << (i % 8)
			try(fmt.Sprint("flipped at ", i), flipped, 0, 1)
			try(fmt.Sprint("cut at ", i), good[:i], 0, 1)
		}
		try("as it was", good, 1, 0)
		if err := wal.ReplaceFile(r.disk, "/data/replays/other.json", good); err != nil {
			t.Fatal(err)
		}
		try("beside one of another name", good, 1, 1)
	})
}

func TestAJournalIsToldWhoNeedsItBeforeItIsOpened(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		r.finished(r.ask(everything).ID)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, 0) })
		j := r.ask(everything)
		names, err := replay.Followers(r.disk, "/data")
		if err != nil || !slices.Equal(names, []string{"replay:" + j.ID}) {
			t.Errorf("followers %v, %v", names, err)
		}
		if names, err := replay.Followers(r.disk, "/elsewhere"); err != nil || names != nil {
			t.Errorf("of no directory: %v, %v", names, err)
		}
	})
}

func TestADirectoryThatCannotBeReadIsAnError(t *testing.T) {
	disk := waltest.NewDisk(1)
	disk.Fail(func(waltest.Operation) error { return errors.New("input/output error") })
	if _, err := replay.Open(replay.Options{Data: "/data", Source: &shelf{}, FS: disk}); err == nil {
		t.Error("nobody was told")
	}
}

func TestAnExpressionOfAnotherVersionEndsTheReplay(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, 0) })
		j := r.ask(replay.Spec{To: "kafka", From: "start", Where: "e1"})
		time.Sleep(time.Second)
		r.stop()
		o := r.options()
		o.Compile = nil
		replayer, err := replay.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		r.replayer, r.stop = replayer, run(t, replayer)
		if j = r.finished(j.ID); j.State != replay.Broken || j.Problem == nil || !strings.Contains(j.Problem.Message, "there are no expressions here") {
			t.Errorf("%+v, %+v", j, j.Problem)
		}
	})
}

func TestAReplayWaitsForAStartWithItsDestination(t *testing.T) {
	bubble(t, func(t *testing.T, r *room) {
		r.shelf.fill(3)
		r.sink.say(func([]daybook.Event) error { return refusal(daybook.Unavailable, 0) })
		j := r.ask(replay.Spec{To: "postgres", From: "start"})
		time.Sleep(time.Second)
		r.stop()
		r.sink.say(nil)
		o := r.options()
		o.Destinations = []string{"kafka"}
		without, err := replay.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, without)
		time.Sleep(time.Hour)
		if now, _ := without.Job(j.ID); now.State != replay.Paused || now.Problem == nil || now.Problem.Reason != "unknown_destination" {
			t.Errorf("without it: %+v, %+v", now, now.Problem)
		}
		stop()
		r.start()
		if j = r.finished(j.ID); j.State != replay.Done || j.Delivered != 3 {
			t.Errorf("with it again: %+v", j)
		}
	})
}
