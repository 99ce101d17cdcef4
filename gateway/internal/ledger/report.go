package ledger

import (
	"time"

	"daybook.dev"
)

// A Report is the account at one moment.
type Report struct {
	Callers      []Caller      `json:"callers"`
	Destinations []Destination `json:"destinations"`

	// Counting says that events stored in a former life are still being counted:
	// the callers' stored events are too few yet.
	Counting bool `json:"counting"`

	// Imbalance is by how many events the account is out of balance. It must be
	// zero, also while events arrive: what is on its way is not counted against
	// it, unless it has been for more than a minute.
	Imbalance uint64 `json:"imbalance"`
}

// A Caller is the account of one caller since its first event. Received is the
// sum of the others.
type Caller struct {
	Caller    string `json:"caller"`
	Received  uint64 `json:"received"`
	Stored    uint64 `json:"stored"`
	Duplicate uint64 `json:"duplicate"`
	Dropped   uint64 `json:"dropped"`
	Refused   uint64 `json:"refused"`
	Failed    uint64 `json:"failed"`
}

// A Destination is the account of one destination, since its start.
type Destination struct {
	Destination string `json:"destination"`
	Stored      uint64 `json:"stored"`
	Delivered   uint64 `json:"delivered"`
	Queued      uint64 `json:"queued"`
	Dead        uint64 `json:"dead"`
	Filtered    uint64 `json:"filtered"`
	Evicted     uint64 `json:"evicted"`
}

// imbalance is by how much the account of d is off.
func (d *Destination) imbalance() uint64 {
	return apart(d.Stored, d.Delivered+d.Queued+d.Dead+d.Filtered+d.Evicted)
}

// Report returns the account as it is now.
func (l *Ledger) Report() Report {
	report := Report{Callers: []Caller{}, Destinations: append([]Destination{}, l.options.Destinations()...)}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.snapshot(time.Now())
	report.Counting = !l.former || l.through < l.opened
	report.Imbalance = l.imbalance(now)
	for i := range report.Destinations {
		report.Imbalance += report.Destinations[i].imbalance()
	}
	stored, _ := l.stored()
	for _, name := range l.names() {
		r := l.rows[name]
		c := Caller{
			Caller: name, Stored: stored[name], Duplicate: r.notStored(daybook.Duplicate), Dropped: r.notStored(daybook.Dropped),
			Refused: r.notStored(daybook.Refused), Failed: r.notStored(daybook.Failed),
		}
		c.Received = c.Stored + c.Duplicate + c.Dropped + c.Refused + c.Failed
		report.Callers = append(report.Callers, c)
	}
	return report
}

// A snapshot is what was there at one moment of this life, by account.
type snapshot struct {
	at     time.Time
	told   map[string]uint64 // that their events are stored
	stored map[string]uint64 // by the store's own count
}

// snapshot must be called with mu held. It asks the store after it has looked at
// what callers were told, so the store can only be ahead.
func (l *Ledger) snapshot(now time.Time) snapshot {
	s := snapshot{at: now, told: map[string]uint64{}}
	for name, r := range l.rows {
		s.told[name] = r.observed.by[daybook.Stored]
	}
	s.stored, _ = l.storedSince()
	return s
}

// age keeps a snapshot that is older than any answer that was under way then.
func (l *Ledger) age(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settling.told == nil || now.Sub(l.settling.at) >= settle {
		l.settled, l.settling = l.settling, l.snapshot(now)
	}
}

// imbalance compares what callers were told with what the store has: nobody may
// be told stored of what is not, and what is stored must have been told after a
// while. It must be called with mu held.
func (l *Ledger) imbalance(now snapshot) (events uint64) {
	for name, r := range l.rows {
		var sum uint64
		for status := daybook.Stored; status < statuses; status++ {
			sum += r.observed.by[status]
		}
		events += apart(r.observed.received, sum)
		events += beyond(now.told[name], now.stored[name])
		events += beyond(l.settled.stored[name], now.told[name])
	}
	return events + beyond(l.counted, l.total)
}

// beyond is by how much a exceeds b.
func beyond(a, b uint64) uint64 { return max(a, b) - b }

// apart is by how much a and b differ.
func apart(a, b uint64) uint64 { return max(a, b) - min(a, b) }
