package direct

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// limits bound a group.
type limits struct{ events, bytes int }

// A group is what goes into one Write: events, or letters. No two of them have
// the same id, because a sink names those it has not taken by their ids.
type group struct {
	limits  limits
	letters bool // dead letters, not events
	items   []item
	copies  []duplicate
	byID    map[string]int // of items
	bytes   int
}

// A duplicate is an item that is in its group already, under the same id of the
// same caller.
type duplicate struct {
	item
	first int // of items
}

func newGroup(l limits) *group { return &group{limits: l, byID: map[string]int{}} }

// add puts i into the group, or reports that it belongs into another one.
func (g *group) add(i item) bool {
	r := i.record()
	letter, size := r.Kind == store.KindRefused, sizeOf(r)
	if len(g.items) == 0 {
		g.letters = letter
	}
	first, taken := g.byID[r.Event.ID]
	switch {
	case letter != g.letters:
		return false
	case taken && (letter || r.Event.ID == "" || r.Key() != g.items[first].record().Key()):
		return false // another event, or another letter about one, with an id that is in this group
	case taken:
		g.copies = append(g.copies, duplicate{item: i, first: first})
		return true
	case len(g.items) > 0 && (len(g.items) >= g.limits.events || g.bytes+size > g.limits.bytes):
		return false
	}
	g.byID[r.Event.ID] = len(g.items)
	g.items = append(g.items, i)
	g.bytes += size
	return true
}

// events returns what is to be written.
func (g *group) events() []daybook.Event {
	events := make([]daybook.Event, len(g.items))
	for n, i := range g.items {
		if g.letters {
			events[n] = Letter(i.record())
			continue
		}
		events[n] = i.record().Outgoing()
	}
	return events
}

// decide gives every record its receipt. A copy is a duplicate of what was
// stored, or a conflict with it; it failed with what was not.
func (g *group) decide(receipts []store.Receipt) {
	for _, c := range g.copies {
		r := receipts[c.first]
		if r.Status == daybook.Stored {
			r.Status = daybook.Duplicate
			if c.record().Digest != g.items[c.first].record().Digest {
				r = store.Receipt{Status: daybook.Refused, Err: conflict()}
			}
		}
		c.item.decide(r)
	}
	for n, i := range g.items {
		i.decide(receipts[n])
	}
}
