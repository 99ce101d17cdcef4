package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daybook.dev"
)

// A clientLedger is what clients know of the events they sent.
type clientLedger struct {
	attempted    map[string]content // sent at least once
	acknowledged map[string]content // answered with an OK
	duplicates   int                // acknowledged as a duplicate when sent again without an answer before
}

// crashClients send events to a gateway that comes and goes, each in its own
// goroutine and with its own ledger.
type crashClients struct {
	ending  atomic.Bool // no new events; what has no answer is sent until it has
	wait    sync.WaitGroup
	ledgers []clientLedger
}

// startClients starts the clients.
func startClients(t *testing.T, url string, seed uint64) *crashClients {
	const clients = 8
	c := &crashClients{ledgers: make([]clientLedger, clients)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); c.wait.Wait() }) // when the test fails in the middle
	for i := range clients {
		gateway, err := daybook.Gateway(url, daybook.GatewayOptions{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c.ledgers[i] = clientLedger{attempted: map[string]content{}, acknowledged: map[string]content{}}
		client := &crashClient{
			t: t, name: fmt.Sprintf("client-%d", i), clientLedger: &c.ledgers[i],
			chance: rand.New(rand.NewPCG(seed, uint64(i+1))), gateway: gateway,
		}
		c.wait.Go(func() {
			defer gateway.Close(context.Background())
			for !c.ending.Load() && ctx.Err() == nil {
				client.batch(ctx)
			}
		})
	}
	return c
}

// finish lets every client get its last answer and returns all ledgers as one.
func (c *crashClients) finish() clientLedger {
	c.ending.Store(true)
	c.wait.Wait()
	all := clientLedger{attempted: map[string]content{}, acknowledged: map[string]content{}}
	for _, l := range c.ledgers {
		maps.Copy(all.attempted, l.attempted)
		maps.Copy(all.acknowledged, l.acknowledged)
		all.duplicates += l.duplicates
	}
	return all
}

type crashClient struct {
	t       *testing.T
	name    string
	chance  *rand.Rand
	gateway daybook.Sender
	events  int
	last    []daybook.Event // acknowledged
	*clientLedger
}

// batch sends a few new events until they are acknowledged, and now and then
// some that were acknowledged long ago.
func (c *crashClient) batch(ctx context.Context) {
	if c.last != nil && c.chance.IntN(10) == 0 {
		c.deliver(ctx, c.last)
		return
	}
	events := make([]daybook.Event, 1+c.chance.IntN(20))
	for i := range events {
		c.events++
		pad := strings.Repeat("x", c.chance.IntN(1000))
		events[i] = daybook.Event{
			ID: fmt.Sprintf("%s-%d", c.name, c.events), Name: "crash", Type: daybook.Log, Actor: c.name,
			Metadata: json.RawMessage(fmt.Sprintf(`{"n":%d,"chance":%d,"pad":%q}`, c.events, c.chance.Uint64(), pad)),
		}
		c.attempted[events[i].ID] = contentOf(events[i])
	}
	c.deliver(ctx, events)
	c.last = events
}

// deliver sends events, with the same ids, until every one is acknowledged.
func (c *crashClient) deliver(ctx context.Context, events []daybook.Event) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		outcomes, err := c.gateway.Send(ctx, events)
		for i, o := range outcomes {
			c.take(events[i], o, attempt)
		}
		if err == nil {
			return
		}
		if _, partial := errors.AsType[*daybook.PartialError](err); !partial && daybook.CodeOf(err) != daybook.Unavailable {
			c.t.Errorf("%s: %v", c.name, err)
			return
		}
		time.Sleep(time.Millisecond) // the gateway is being started
	}
}

// take enters an outcome into the ledger. An event that was acknowledged once
// must be a duplicate ever after.
func (c *crashClient) take(e daybook.Event, o daybook.Outcome, attempt int) {
	_, before := c.acknowledged[e.ID]
	switch o.Status {
	case daybook.Stored:
		if before {
			c.t.Errorf("%s was acknowledged before and is stored again", e.ID)
		}
	case daybook.Duplicate:
		if !before && attempt == 0 {
			c.t.Errorf("%s is new and said to be a duplicate", e.ID)
		}
		if !before {
			c.duplicates++
		}
	case daybook.Failed, daybook.Unknown:
		return
	default:
		c.t.Errorf("%s: %v: %v", e.ID, o.Status, o.Err)
		return
	}
	if o.Durability != daybook.Fsynced {
		c.t.Errorf("%s: durability %v", e.ID, o.Durability)
	}
	c.acknowledged[e.ID] = contentOf(e)
}
