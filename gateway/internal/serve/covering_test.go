package serve_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
)

func TestWhatIsStoredIsCoveredWhenTheGatewayStops(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	verifier, err := evidence.NewKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := serve.Config{Data: t.TempDir(), Journal: serve.Journal{TamperEvidence: key}}
	for round := range 3 {
		g := start(t, c)
		if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"a"}`); status != 200 {
			t.Fatal(status, body)
		}
		g.stop()
		if err := <-g.stopped; err != nil {
			t.Fatal(err)
		}
		signed, err := os.ReadFile(filepath.Join(c.Data, "evidence", "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := journal.Inspect(c.Data) // the event, and what the ledger noted
		if err != nil {
			t.Fatal(err)
		}
		checkpoint, err := evidence.OpenCheckpoint(signed, verifier)
		if err != nil || checkpoint.Last() != uint64(stored.Next-1) || checkpoint.Last() < uint64(round+1) {
			t.Errorf("round %d: %+v, %v, want up to %d", round, checkpoint, err, stored.Next-1)
		}
	}
}

func TestAGatewayServesWithoutEvidenceThatIsNotItsOwn(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if _, err := evidence.NewKey(key); err != nil {
		t.Fatal(err)
	}
	c := serve.Config{Data: t.TempDir(), Journal: serve.Journal{TamperEvidence: key}}
	dir := filepath.Join(c.Data, "evidence")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("somebody's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := start(t, c)
	if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"a"}`); status != 200 {
		t.Error(status, body)
	}
	if left, err := os.ReadFile(filepath.Join(dir, "checkpoint")); err != nil || string(left) != "somebody's\n" {
		t.Errorf("the checkpoint is now %q, %v", left, err)
	}
}

func TestAMissingKeyIsRefusedWithWhatToDo(t *testing.T) {
	c := serve.Config{Data: t.TempDir(), Journal: serve.Journal{TamperEvidence: "nowhere.key"}}
	_, err := serve.Open(context.Background(), onFreePorts(t, c), serve.Options{})
	if err == nil || !strings.Contains(err.Error(), "daybook store key nowhere.key") {
		t.Errorf("error is %v", err)
	}
}
