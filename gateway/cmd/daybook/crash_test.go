package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/query"
)

// TestR1 kills a gateway under load, again and again, at random moments. At
// the end every event that was ever acknowledged must be there once, as it was
// sent, and no event twice, however often it was sent again.
//
// DAYBOOK_CRASH_CYCLES says how many times (25), DAYBOOK_CRASH_SEED repeats
// the events and the moments of a run; what the disk and the scheduler do in
// between does not repeat.
func TestR1CrashesUnderLoadLoseNothingAcknowledged(t *testing.T) {
	cycles := number(t, "DAYBOOK_CRASH_CYCLES", 25)
	seed := number(t, "DAYBOOK_CRASH_SEED", time.Now().UnixNano())
	t.Logf("DAYBOOK_CRASH_SEED=%d", seed)
	chance := rand.New(rand.NewPCG(uint64(seed), 0))

	dir := t.TempDir()
	gateway := start(t, dir, place(t))
	clients := startClients(t, "http://"+gateway.ingest, uint64(seed))
	for cycle := range cycles {
		requireFresh(t, gateway, fmt.Sprintf("fresh-%d", cycle))
		time.Sleep(time.Duration(chance.Int64N(int64(100 * time.Millisecond)))) // the moment is the test
		gateway.kill()
		gateway = start(t, dir, gateway.ingest)
		if testing.Verbose() && (cycle+1)%100 == 0 {
			t.Logf("%d cycles", cycle+1)
		}
	}
	sent := clients.finish()
	tailed := command("tail", "--from", "start", "--no-follow", "-o", "json", "--operations-listen", gateway.operations)
	requireBook(t, "tail", output(t, tailed), sent, cycles)
	if err := gateway.stop(); err != nil {
		t.Fatal(err)
	}
	requireBook(t, "store dump", output(t, command("store", "dump", "--events", "--data", dir+"/data")), sent, cycles)
	output(t, command("store", "verify", "--data", dir+"/data"))
	t.Logf("%d kills, %d events acknowledged, of them %d only when sent again", cycles, len(sent.acknowledged), sent.duplicates)
}

func start(t *testing.T, dir, ingest string) *process {
	t.Helper()
	p, err := startGateway(dir, nil, "--data", "data", "--ingest-listen", ingest, "--operations-listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// requireFresh sends an event that is new and requires that it is stored.
func requireFresh(t *testing.T, p *process, id string) {
	t.Helper()
	gateway, err := daybook.Gateway("http://"+p.ingest, daybook.GatewayOptions{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close(t.Context())
	outcomes, err := gateway.Send(t.Context(), []daybook.Event{{ID: id, Name: "fresh"}})
	if err != nil || outcomes[0].Status != daybook.Stored {
		t.Fatalf("a fresh event: %+v, %v\n%s", outcomes, err, p.log)
	}
}

// requireBook requires of the rows that a command printed that every
// acknowledged event is among them once, as it was sent, and nothing twice.
func requireBook(t *testing.T, name string, rows []byte, want clientLedger, cycles int) {
	t.Helper()
	found := map[string]content{}
	fresh := 0
	lines := bufio.NewScanner(bytes.NewReader(rows))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		row, err := query.ParseRow(lines.Bytes())
		if err != nil {
			t.Fatalf("%s: %v: %.200s", name, err, lines.Bytes())
		}
		e := row.Event
		if _, twice := found[e.ID]; twice {
			t.Errorf("%s: %s is there twice", name, e.ID)
		}
		found[e.ID] = contentOf(e)
		if e.Name == "fresh" {
			fresh++
			continue
		}
		if _, known := want.attempted[e.ID]; !known {
			t.Errorf("%s: nobody sent %s", name, e.ID)
		}
	}
	missing, changed := 0, 0
	for id, was := range want.acknowledged {
		switch is, ok := found[id]; {
		case !ok:
			missing++
		case is != was:
			changed++
		}
	}
	if missing+changed > 0 || fresh != cycles {
		t.Fatalf("%s: of %d acknowledged events %d are missing and %d are not as they were sent; %d of %d fresh ones are there",
			name, len(want.acknowledged), missing, changed, fresh, cycles)
	}
}

// content is what of an event must survive.
type content struct{ name, kind, actor, metadata string }

func contentOf(e daybook.Event) content {
	return content{e.Name, string(e.Type), e.Actor, string(e.Metadata)}
}

// output runs a command that must succeed and returns what it prints.
func output(t *testing.T, cmd interface {
	Output() ([]byte, error)
	String() string
},
) []byte {
	t.Helper()
	text, err := cmd.Output()
	if err != nil {
		var said []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = exit.Stderr
		}
		t.Fatalf("%v: %v\n%s%s", cmd, err, text, said)
	}
	return text
}

func number[N int | int64](t *testing.T, name string, otherwise N) N {
	t.Helper()
	n, err := strconv.ParseInt(cmp.Or(os.Getenv(name), strconv.FormatInt(int64(otherwise), 10)), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return N(n)
}
