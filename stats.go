package daybook

import "slices"

// A reason is why an event was dropped. Its words are those that a gateway
// counts clients' drops by.
type reason uint8

const (
	queueFull reason = iota
	spoolFull
	expired
	sampledOut
	optedOut
	killed
	tooLarge
	invalid
	refused
	closed
	failed
	reasonCount
)

var reasonWords = [reasonCount]string{
	"queue_full", "spool_full", "expired", "sampled", "opted_out", "killed", "too_large", "invalid", "refused", "closed", "failed",
}

func (r reason) String() string { return reasonWords[r] }

// intended reports whether somebody wanted the drop, so that no warning is due.
func (r reason) intended() bool { return r == sampledOut || r == optedOut || r == killed }

// tally counts drops by reason.
type tally [reasonCount]uint64

func (t *tally) sum() (n uint64) {
	for _, v := range t {
		n += v
	}
	return n
}

func (t *tally) add(other *tally) {
	for i, v := range other {
		t[i] += v
	}
}

// minus returns what has been counted since other.
func (t *tally) minus(other *tally) tally {
	since := *t
	for i, v := range other {
		since[i] -= v
	}
	return since
}

func (t *tally) words() map[string]uint64 {
	words := map[string]uint64{}
	for i, v := range t {
		if v > 0 {
			words[reason(i).String()] = v
		}
	}
	return words
}

// Counts say what became of events. At every moment
//
//	Recorded = Delivered + Queued + Spooled + the sum of Dropped
type Counts struct {
	Recorded  uint64 // handed to the client, and found in the spool by it
	Recovered uint64 // of those, found in the spool: an earlier process recorded them
	Delivered uint64 // safe where they were to go
	Queued    uint64 // in memory, being sent included
	Spooled   uint64 // on disk

	// Dropped has the events that were lost or meant to go nowhere, by reason:
	// queue_full, spool_full, expired, sampled, opted_out, killed, too_large,
	// invalid, refused, closed, failed.
	Dropped map[string]uint64
}

// Stats are a client's counters since it was opened. An event for two sinks
// counts twice, because its fate at one says nothing about the other; one that
// is dropped before it is handed to any sink counts once.
type Stats struct {
	Counts

	// Sinks has the same counts for each sink.
	Sinks map[string]Counts

	// Replaced counts attribute values that have no JSON of their own: NaN,
	// infinities, invalid UTF-8, methods that failed or panicked. Their events
	// were recorded with null, or a text that says so, in their place.
	Replaced uint64

	// Truncated counts events over 1 MiB, whose attributes were replaced by
	// truncated=true and a reason.
	Truncated uint64
}

// A Drop tells Config.OnDrop about dropped events.
type Drop struct {
	Sink   string // "" = dropped before they were handed to any
	Reason string // a word of Counts.Dropped
	Events int
}

// counters are what a lane counts.
type counters struct {
	recorded, recovered, delivered uint64
	queued, sending, spooled       int // sending: by Send, past the queue
	dropped                        tally
}

func (c *counters) counts() Counts {
	return Counts{
		Recorded: c.recorded, Recovered: c.recovered, Delivered: c.delivered,
		Queued: uint64(max(0, c.queued+c.sending)), Spooled: uint64(max(0, c.spooled)), Dropped: c.dropped.words(),
	}
}

func (c *counters) add(o *counters) {
	c.recorded += o.recorded
	c.recovered += o.recovered
	c.delivered += o.delivered
	c.queued += o.queued
	c.sending += o.sending
	c.spooled += o.spooled
	c.dropped.add(&o.dropped)
}

// Stats returns the counters. Those of each sink are taken at one moment.
func (c *Client) Stats() Stats {
	if c == nil || c.core == nil {
		return Stats{Counts: Counts{Dropped: map[string]uint64{}}}
	}
	co := c.core
	var total counters
	s := Stats{Sinks: map[string]Counts{}, Replaced: co.replaced.Load(), Truncated: co.truncated.Load()}
	each := co.counters()
	for name, counted := range each {
		total.add(counted)
		s.Sinks[name] = counted.counts()
	}
	early := co.early()
	total.recorded += early.sum()
	total.dropped.add(&early)
	s.Counts = total.counts()
	return s
}

// counters returns the counters of every sink there is or has been.
func (co *core) counters() map[string]*counters {
	co.retiredMu.Lock()
	defer co.retiredMu.Unlock()
	each := map[string]*counters{}
	for name, counted := range co.retired {
		copied := counted
		each[name] = &copied
	}
	for _, l := range slices.Concat(co.state.Load().lanes, co.leaving) {
		counted := l.snapshot()
		if before, ok := each[l.name]; ok {
			counted.add(before)
		}
		each[l.name] = &counted
	}
	return each
}

// early returns what was dropped before it was handed to any sink.
func (co *core) early() (t tally) {
	for i := range co.dropped {
		t[i] = co.dropped[i].Load()
	}
	return t
}
