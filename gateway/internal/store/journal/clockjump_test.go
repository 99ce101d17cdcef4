package journal_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// A jumper is a journal whose clock is set to and fro.
type jumper struct {
	t       *testing.T
	chance  *rand.Rand
	options journal.Options
	ahead   atomic.Int64 // by how much the clock is wrong
	disk    *waltest.Disk
	journal *journal.Journal
	sent    []store.Record
}

// TestR16 sets the clock to and fro, by minutes and by years, for less than an
// hour at a time, and stops and kills gateways meanwhile: the journal goes on,
// nothing is removed, no id is forgotten, and what is looked for by time is found.
func TestR16JumpsOfTheClockCostNothing(t *testing.T) {
	seed := newSeed(t)
	for round := range size(5, 200) {
		synctest.Test(t, func(t *testing.T) { jump(t, seed+uint64(round)) })
		if t.Failed() {
			t.Fatalf("seed %d", seed+uint64(round))
		}
	}
}

func jump(t *testing.T, seed uint64) {
	j := &jumper{t: t, chance: rand.New(rand.NewPCG(seed, 3)), disk: waltest.NewDisk(seed)}
	j.options = journal.Options{
		Dir: "/data", Now: func() time.Time { return time.Now().Add(time.Duration(j.ahead.Load())) }, ChunkBytes: wal.DataStart + 1500,
	}
	j.open()
	j.send() // the clock is right when the journal is made
	started := time.Now()
	for time.Since(started) < 20*time.Hour && len(j.sent) < 150 {
		j.ahead.Store(int64(j.error()))
		j.work()
		j.ahead.Store(0)
		j.work()
	}
	time.Sleep(2 * time.Hour) // now everybody believes it
	j.restart()
	if entries := storetest.ReadAll(t, j.journal, 100); len(entries) != len(j.sent) {
		t.Errorf("%d of %d events are kept", len(entries), len(j.sent))
	}
	for _, r := range j.sent {
		requireStatus(t, j.journal, r, daybook.Duplicate)
	}
	closeJournal(t, j.journal)
}

// error chooses by how much the clock is wrong.
func (j *jumper) error() time.Duration {
	far := []time.Duration{10 * time.Minute, 23 * time.Hour, 60 * 24 * time.Hour, 9000 * time.Hour}[j.chance.IntN(4)]
	return time.Duration(j.chance.Int64N(int64(2*far))) - far
}

// work lets some time pass, with a few events, and perhaps a restart.
func (j *jumper) work() {
	for range j.chance.IntN(4) {
		j.send()
	}
	time.Sleep([]time.Duration{3 * time.Second, time.Minute, 40 * time.Minute}[j.chance.IntN(3)])
	if j.chance.IntN(4) == 0 {
		j.restart()
		j.send()
	}
	if err := j.journal.Ready(j.t.Context()); err != nil {
		j.t.Errorf("ready says %v", err)
	}
	j.seek()
	requireStatus(j.t, j.journal, j.sent[j.chance.IntN(len(j.sent))], daybook.Duplicate)
}

func (j *jumper) open() {
	j.options.FS = j.disk
	opened, err := journal.Open(j.t.Context(), j.options)
	if err != nil {
		j.t.Fatal(err)
	}
	j.journal = opened
}

// restart stops the journal, or kills it, and opens it again.
func (j *jumper) restart() {
	if j.chance.IntN(2) == 0 {
		closeJournal(j.t, j.journal)
		j.disk = j.disk.Restart(waltest.Everything)
	} else {
		left := j.disk
		j.disk = left.Restart(waltest.Nothing)
		closeJournal(j.t, j.journal)
	}
	j.open()
}

func (j *jumper) send() {
	r := event(fmt.Sprintf("e-%d", len(j.sent)), "first", 100)
	r.Received = j.options.Now().UTC()
	requireStatus(j.t, j.journal, r, daybook.Stored)
	j.sent = append(j.sent, r)
}

// seek looks for a time, and requires the first event received then or later.
func (j *jumper) seek() {
	t := j.sent[j.chance.IntN(len(j.sent))].Received.Add(time.Duration(j.chance.IntN(3) - 1))
	want := 0
	for want < len(j.sent) && j.sent[want].Received.Before(t) {
		want++
	}
	if at, err := j.journal.Seek(j.t.Context(), t); err != nil || int(at) != want {
		j.t.Errorf("seek found %d, want %d of %d, %v", at, want, len(j.sent), err)
	}
}
