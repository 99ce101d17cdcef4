package ledger_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"daybook.dev"
	"daybook.dev/gateway/internal/ledger"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// TestR12 lets gateways live, stop, be killed and lose their power, on disks that
// fail now and then, and holds the account of every caller against what the
// caller was told and what the journal has:
//
//   - it balances, always, and so does what the ledger watches;
//   - what it says is stored is what is there, after every start;
//   - nothing that was told stored is missing from it;
//   - what was not stored is what was told, but for what a kill took of the time
//     since the last summary.
func TestR12TheAccountOfEveryCallerIsExactAcrossKills(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		chunk := rapid.SampledFrom([]int64{2000, 20_000, 1 << 20}).Draw(rt, "chunk")
		steps := rapid.SliceOfN(aStep(), 1, 60).Draw(rt, "steps")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = live(t, seed, chunk, steps) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

// A step is what happens next.
type step struct {
	Do     string
	Caller int
	IDs    []int         // of a batch; below zero = refused
	For    time.Duration // of a pause
}

func aStep() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		s := step{Do: rapid.SampledFrom([]string{"send", "send", "send", "send", "send", "pause", "pause", "stop", "kill", "power cut", "disk fails"}).Draw(t, "do")}
		switch s.Do {
		case "send":
			s.Caller = rapid.IntRange(0, 2).Draw(t, "caller")
			s.IDs = rapid.SliceOfN(rapid.IntRange(-3, 30), 1, 5).Draw(t, "ids")
		case "pause":
			s.For = time.Duration(rapid.IntRange(1, 2500).Draw(t, "ms")) * time.Millisecond
		}
		return s
	})
}

// An account is what a caller was told, by status.
type account [daybook.Failed + 1]uint64

// A model is what the ledger has to agree with.
type model struct {
	gateway *gateway
	chunk   int64
	told    [3]account
	safe    [3]account // of told, what a summary has for certain
	failing bool
}

func live(t *testing.T, seed uint64, chunk int64, steps []step) (wrong error) {
	m := &model{chunk: chunk}
	m.start(t, waltest.NewDisk(seed))
	defer func() {
		wrong = errors.Join(wrong, m.stopAndCheck(t))
		m.gateway.stop()
	}()
	for i, s := range steps {
		if err := m.do(t, s); err != nil {
			return fmt.Errorf("step %d, %+v: %w", i, s, err)
		}
	}
	return nil
}

func (m *model) start(t *testing.T, disk *waltest.Disk) {
	m.gateway = start(t, disk, func(o *journal.Options, _ *ledger.Options) { o.ChunkBytes = wal.DataStart + m.chunk })
}

func (m *model) do(t *testing.T, s step) error {
	switch s.Do {
	case "send":
		m.send(s)
		m.fails(false)
	case "pause":
		time.Sleep(s.For)
		synctest.Wait()
		if s.For > time.Second && !m.failing {
			m.safe = m.told
		}
	case "disk fails":
		m.fails(true)
	case "stop":
		return m.stopAndCheck(t)
	case "kill":
		return m.restart(t, waltest.Everything)
	case "power cut":
		return m.restart(t, waltest.Nothing)
	}
	return m.balances()
}

func (m *model) send(s step) {
	var ids []string
	for _, id := range s.IDs {
		if id < 0 {
			ids = append(ids, "!")
			continue
		}
		ids = append(ids, fmt.Sprint(id))
	}
	for _, o := range m.gateway.send(fmt.Sprint("caller-", s.Caller), ids...) {
		m.told[s.Caller][o.Status]++
	}
}

// fails lets the next write fail, or no longer.
func (m *model) fails(yes bool) {
	m.gateway.disk.Fail(func(op waltest.Operation) error {
		if yes && op.Kind == waltest.Sync {
			return syscall.EIO
		}
		return nil
	})
	m.failing = yes
}

// stopAndCheck stops the gateway and starts it again: nothing may be lost.
func (m *model) stopAndCheck(t *testing.T) error {
	m.fails(false)
	m.gateway.stop()
	m.safe = m.told
	m.start(t, m.gateway.disk.Restart(waltest.Everything))
	err := m.check()
	m.gateway.stop()
	m.start(t, m.gateway.disk.Restart(waltest.Nothing))
	return errors.Join(err, m.check())
}

func (m *model) restart(t *testing.T, keep waltest.Keep) error {
	m.start(t, m.gateway.kill(keep))
	return m.check()
}

// check holds the account against what is there and what was told. What a kill
// has taken is not asked for again.
func (m *model) check() error {
	there := m.gateway.there()
	r := m.gateway.report()
	for c := range m.told {
		name := fmt.Sprint("caller-", c)
		got := of(r, name)
		if got.Stored != there[name] || got.Stored < m.told[c][daybook.Stored] {
			return fmt.Errorf("%s: %d stored, %d are there, %d were told", name, got.Stored, there[name], m.told[c][daybook.Stored])
		}
		now := account{daybook.Stored: got.Stored, daybook.Duplicate: got.Duplicate, daybook.Dropped: got.Dropped, daybook.Refused: got.Refused, daybook.Failed: got.Failed}
		for status := daybook.Duplicate; status <= daybook.Failed; status++ {
			if now[status] > m.told[c][status] || now[status] < m.safe[c][status] {
				return fmt.Errorf("%s: %d %v, told %d, of which %d were safe", name, now[status], status, m.told[c][status], m.safe[c][status])
			}
		}
		m.told[c], m.safe[c] = now, now
	}
	return m.balances()
}

func (m *model) balances() error {
	if r := m.gateway.report(); r.Imbalance != 0 {
		return fmt.Errorf("out of balance: %+v", r)
	}
	return nil
}
