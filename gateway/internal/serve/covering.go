package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"daybook.dev/gateway/internal/replay"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/internal/wal"
)

// evidenceFollower is the name under which the journal keeps records that are
// not covered yet.
const evidenceFollower = "tamper evidence"

// followers names who holds records in the journal.
func (g *Gateway) followers() []string {
	names := g.destinationNames()
	replays, err := replay.Followers(wal.OS{}, g.config.Data)
	if err != nil {
		g.log.Warn("the replays under way cannot be read yet; events they need may be removed", "err", err)
	}
	names = append(names, replays...)
	if g.config.Journal.TamperEvidence != "" {
		names = append(names, evidenceFollower)
	}
	return names
}

// openEvidence prepares the tamper evidence, where there is to be one. A key
// that cannot be read is wrong configuration. A tree that does not belong to the
// journal is not: refusing to start would turn a lost hash into an outage, so
// the gateway serves without and says so.
func (g *Gateway) openEvidence() error {
	file := g.config.Journal.TamperEvidence
	if file == "" || g.journal == nil {
		return nil
	}
	key, err := readEvidenceKey(file)
	if err != nil {
		return err
	}
	id, epoch := g.journal.Life()
	g.evidence, err = evidence.Open(evidence.Options{
		Data: g.config.Data, Key: key, Journal: id, Epoch: epoch, Source: g.journal, Log: g.log,
		Hold: func(after store.Position) { g.journal.Hold(evidenceFollower, after) },
	})
	if err != nil {
		g.log.Error("nothing is covered by tamper evidence: find out why, then move the folder away to begin anew",
			"dir", evidence.Directory(g.config.Data), "err", err)
		g.journal.Release(evidenceFollower)
		return nil
	}
	g.log.Info("tamper evidence is written", "dir", evidence.Directory(g.config.Data), "verifier", key.Verifier)
	return nil
}

func readEvidenceKey(file string) (evidence.Key, error) {
	key, err := evidence.ReadKey(file)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: make one with daybook store key %s", err, file)
	}
	if err != nil {
		return key, fmt.Errorf("journal.tamper_evidence: %w", err)
	}
	return key, nil
}

// cover covers what is stored until the function it returns is called, which
// waits until the last records are covered too, but not longer than left.
func (g *Gateway) cover() (end func(left time.Duration)) {
	if g.evidence == nil {
		return func(time.Duration) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.evidence.Run(ctx)
		// It ends by itself only when it cannot go on: then nothing is to be
		// kept for it.
		g.journal.Release(evidenceFollower)
	}()
	return func(left time.Duration) {
		cancel()
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			g.log.Warn("tamper evidence lags; it catches up after the next start")
		}
	}
}

// checkEvidence says whether checkpoints can be signed.
func checkEvidence(c Config) Finding {
	found := Finding{Check: "evidence", OK: true, Detail: "no tamper evidence"}
	if c.Journal.TamperEvidence == "" {
		return found
	}
	key, err := readEvidenceKey(c.Journal.TamperEvidence)
	if err != nil {
		found.OK, found.Detail = false, err.Error()
		return found
	}
	found.Detail = "checkpoints over what is stored are signed; verify them with " + key.Verifier
	return found
}
