package deadletter

import (
	"context"
	"iter"

	"daybook.dev/gateway/internal/store"
)

// A List is what was found, and what else there is.
type List struct {
	Entries []Entry // newest record first
	Matched int     // how many match, with those beyond the limit
	Totals
}

// Totals say how many dead letters there are.
type Totals struct {
	Open     int    // listed
	Unlisted uint64 // let go because there were too many; they are in the store
	Expired  uint64 // their records are no longer kept

	// Complete says that every record synced by now is taken in. It is false
	// while the index is being made again, which is up to Through.
	Complete bool
	Through  store.Position
}

// List returns the dead letters that f means.
func (x *Index) List(ctx context.Context, f Filter) (List, error) {
	if err := f.check(); err != nil {
		return List{}, err
	}
	complete, err := x.current(ctx)
	if err != nil {
		return List{}, err
	}
	l := x.find(f, f.limit(listLimit), (*letters).newestFirst)
	l.Complete = complete
	return l, nil
}

// Counts returns how many dead letters are open by destination, "" for those
// that the gateway itself set aside, as far as they are taken in. It is for
// metrics, and cheap enough for them.
func (x *Index) Counts() (byDestination map[string]int, t Totals) {
	x.mu.Lock()
	defer x.mu.Unlock()
	byDestination = map[string]int{}
	for k := range x.letters.open {
		byDestination[k.destination.Value()]++
	}
	return byDestination, x.letters.totals()
}

func (s *letters) totals() Totals {
	return Totals{Open: len(s.open), Unlisted: s.unlisted, Expired: s.expired, Through: s.through}
}

// find returns what f means of that which is taken in, at most that many, in an
// order.
func (x *Index) find(f Filter, most int, in func(*letters) iter.Seq[*letter]) List {
	x.mu.Lock()
	defer x.mu.Unlock()
	found := List{Totals: x.letters.totals()}
	for l := range in(x.letters) {
		if !f.matches(l) {
			continue
		}
		if found.Matched++; found.Matched <= most {
			found.Entries = append(found.Entries, l.entry())
		}
	}
	return found
}

// A Letter is a dead letter with its event.
type Letter struct {
	Entry

	// Event is the record that holds the event. Nil means that it is no longer
	// kept.
	Event *store.Record
}

// Show returns the dead letters of the event at a position: one of each
// destination that has not got it, or of the one named; none where there are
// none.
func (x *Index) Show(ctx context.Context, position store.Position, destination string) ([]Letter, error) {
	list, err := x.List(ctx, Filter{Positions: []store.Position{position}, Destination: destination})
	if err != nil {
		return nil, err
	}
	var found []Letter
	for left := list.Entries; len(left) > 0; {
		letters, rest, err := x.events(ctx, left)
		if err != nil {
			return nil, err
		}
		found, left = append(found, letters...), rest
	}
	return found, nil
}
