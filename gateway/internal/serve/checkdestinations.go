package serve

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/sink"
)

// Deliveries says where events go from here, a line for each destination.
func (c Config) Deliveries() []string {
	if len(c.Destinations) == 0 {
		return []string{"nowhere: events are kept in the journal"}
	}
	var lines []string
	for i := range c.Destinations {
		lines = append(lines, c.Destinations[i].Name+": "+c.delivery(&c.Destinations[i]))
	}
	return lines
}

// delivery says what a destination gets, in a sentence's end.
func (c Config) delivery(d *Destination) string {
	switch d.Name {
	case c.Store:
		return d.Type + ", the store: an OK means that it has confirmed"
	case c.DeadLetters:
		return d.Type + ", dead letters"
	}
	parts := []string{d.Type}
	if d.Where == "" {
		parts = append(parts, "every event")
	} else {
		parts = append(parts, "where "+d.Where)
	}
	if d.Send != "" {
		parts = append(parts, "only "+strings.Join(d.Send.items(), " "))
	}
	if d.Wait {
		parts = append(parts, "callers wait up to "+durationText(d.WaitWithin))
	}
	return strings.Join(parts, ", ")
}

// checkDelivery says for each destination what it gets, and with how much one
// that is new begins.
func checkDelivery(c Config, from Origins) []Finding {
	if len(c.Destinations) == 0 {
		return []Finding{{"delivery", true, c.Deliveries()[0]}}
	}
	var findings []Finding
	for i := range c.Destinations {
		d := &c.Destinations[i]
		found := Finding{destinationsKey + "." + d.Name, true, c.delivery(d) + c.beginning(d)}
		if s, err := openSink(context.Background(), d, from); err != nil {
			found.OK, found.Detail = false, err.Error()
		} else {
			_ = s.Close(context.Background()) // nothing was written
		}
		findings = append(findings, found)
	}
	return findings
}

// beginning says with how many events a destination begins that has no cursor.
func (c Config) beginning(d *Destination) string {
	if c.Store != journalStore {
		return ""
	}
	if _, err := os.Stat(deliver.CursorFile(c.Data, d.Name)); err == nil {
		return "; goes on behind its cursor"
	}
	switch d.From {
	case fromNow:
		return "; new: begins with what arrives from now on"
	case fromStart:
		kept, err := journal.EventsKept(c.Data)
		if err != nil {
			return "; new: begins with all that is kept"
		}
		return fmt.Sprintf("; new: begins with all that is kept, %d events", kept)
	}
	return "; new: begins with what was received since " + string(d.From)
}

// checkWithin is how long a destination may take to answer.
const checkWithin = 15 * time.Second

// CheckDestinations asks the destinations themselves: can they be reached, and
// do they have what they need. With test, an event named daybook-check is
// written to each. Findings of what is missing have the statements that make it.
func CheckDestinations(ctx context.Context, c Config, from Origins, test bool) []Finding {
	c = c.withDefaults()
	var findings []Finding
	for i := range c.Destinations {
		d := &c.Destinations[i]
		found := Finding{Check: destinationsKey + "." + d.Name}
		if o, err := openDestination(ctx, d, from); err != nil {
			found.Detail = err.Error()
		} else {
			found.Detail, found.OK = o.ask(ctx, test)
			_ = o.sink.Close(ctx) // what was written was confirmed
		}
		findings = append(findings, found)
	}
	return findings
}

// ask says in what state the destination is.
func (d *opened) ask(ctx context.Context, test bool) (detail string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	detail = "nobody knows before an event is written; --test-event writes one"
	if p, looks := d.sink.(sink.Provisioner); looks {
		missing, err := p.Missing(ctx)
		switch {
		case err != nil:
			return err.Error(), false
		case len(missing) > 0:
			return "this is missing there; migrate: true makes it at the next start, or do it yourself:\n" + strings.Join(missing, ";\n"), false
		}
		detail = "reachable, and all that is needed is there"
	}
	if !test {
		return detail, true
	}
	event := daybook.Event{
		ID: uuid.NewString(), Name: "daybook-check", Type: daybook.Log, Time: time.Now().UTC(), Metadata: []byte(`{"check":true}`),
		Origin: &daybook.Origin{Scope: "daybook check", Caller: "daybook check", Instance: hostName(), Received: time.Now().UTC()},
	}
	if d.shape != nil {
		d.shape(&event)
	}
	if err := d.sink.Write(ctx, []daybook.Event{event}); err != nil {
		return "the test event was not taken: " + err.Error(), false
	}
	return "took the test event " + event.ID, true
}
