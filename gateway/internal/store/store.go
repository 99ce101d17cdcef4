// Package store is the contract between the gateway and the place where its
// events are kept: what a record is, what an append promises, and how the
// records are read again. store/journal keeps them on this machine's disk.
package store

import (
	"context"
	"time"

	"daybook.dev"
)

// A Store keeps records. Implementations are safe for concurrent use.
type Store interface {
	// Append stores records together and returns a receipt for each, in order.
	// A receipt whose status is Stored or Duplicate means that the event is
	// safe to the store's Durability; nobody may be told yes before Append
	// returns. The error is only for the case that nothing was decided (the
	// store is closed, full or overloaded, or ctx ended before the records
	// were queued): then there are no receipts and nothing was stored.
	//
	// Append does not keep records or what they point to after it returns. It
	// does not return early once records are queued, even when ctx ends: an
	// answer that comes late is better than one nobody can give.
	Append(ctx context.Context, records []Record) ([]Receipt, error)

	// Durability is what a receipt of Stored promises.
	Durability() daybook.Durability

	// Ready returns nil when an append could succeed now, else why not. It may
	// write a probe; the answer may be up to two seconds old.
	Ready(ctx context.Context) error

	// Close waits for the appends under way, then releases the store. Later
	// appends fail with daybook.ErrClosed. Idempotent.
	Close(ctx context.Context) error
}

// A Follower is a Store whose records can be read again, oldest first. Readers
// never see a record before it is synced.
type Follower interface {
	// Read returns up to max records that follow position after, and fewer
	// when fewer are synced or they are large; none at the end. A position
	// that is no longer kept continues with the oldest record that is. The
	// caller owns what is returned.
	Read(ctx context.Context, after Position, max int) ([]Entry, error)

	// Wait returns nil as soon as a record behind position after is synced,
	// else ctx's error, or daybook.ErrClosed.
	Wait(ctx context.Context, after Position) error

	// Bounds returns the positions of the oldest record kept and of the newest
	// one synced. Both are zero while there are none.
	Bounds() (oldest, newest Position)

	// Seek returns the position right before the first record received at or
	// after t, so that Read continues with it.
	Seek(ctx context.Context, t time.Time) (Position, error)
}

// A Selector is a Follower that passes over records at much less cost than
// reading them takes: for those who look for few among many.
type Selector interface {
	Follower

	// ReadKinds returns up to most records of the given kinds that follow
	// position after, and the place up to which it has looked: there are no
	// others of these kinds up to there. It may return none though more follow;
	// the next call then continues with that place. At the end that place is
	// that of the newest record synced, of whatever kind.
	ReadKinds(ctx context.Context, after Position, most int, kinds ...Kind) (entries []Entry, through Position, err error)
}

// A Picker is a Store that reads single records, here and there.
type Picker interface {
	// ReadAt returns the records at the given positions, which are in ascending
	// order; those that are not there are left out. Where the records are large
	// it returns only some of the first: looked is how many of the positions it
	// has looked at, at least one.
	ReadAt(ctx context.Context, positions []Position) (entries []Entry, looked int, err error)
}

// A Holder is a Follower that keeps records for those who still need them, past
// the time it would keep them otherwise.
type Holder interface {
	Follower

	// Hold says that the records behind position after are still needed by the
	// follower of that name. Calling it again moves the position. A follower
	// that the store was opened with needs everything until it first calls.
	//
	// When room runs out all the same, the oldest records go, and each is
	// counted as evicted for everybody who needed it. A follower notices: what
	// it reads then begins behind a gap.
	Hold(name string, after Position)

	// Release forgets the follower: it needs nothing any more.
	Release(name string)
}

// A Counter is a Store that knows exactly how many events it has stored, also
// those it no longer keeps, and knows it again after kill -9.
type Counter interface {
	// Tallies returns counts at positions in ascending order: the first at the
	// place right before the oldest record kept, the last at the newest record
	// synced, and one at the end of each part in between. It always has at
	// least one.
	Tallies() []Tally

	// Stored returns how many events of each caller were stored since the
	// store was opened: those behind position from, up to and including to.
	// The caller owns the map.
	Stored() (from, to Position, events map[string]uint64)
}

// A Tally is how many events (records of KindEvent) a store has stored since it
// was made, up to and including a position.
type Tally struct {
	Position Position
	Events   uint64
}

// A Finder is a Store that finds a record by its key.
type Finder interface {
	// Find returns the position of the record of that key, the first copy. It
	// finds what the store remembers, which may be longer than the record
	// itself is kept. It may look into files.
	Find(ctx context.Context, key Key) (at Position, found bool, err error)
}

// A Position is a record's place in the order of the store: the first record
// has 1, each later one a greater number. Zero is the place before the first.
type Position uint64

// An Entry is a record with its position.
type Entry struct {
	Position Position
	Record
}

// A Receipt says what an append decided about one record.
type Receipt struct {
	// Status is Stored, Duplicate, Refused (a conflict: the same key with
	// other content; the first copy stays; or an event that this store can never
	// take) or Failed. It is Dropped for a record about events, such as a
	// settlement, that a store has no place for.
	Status daybook.Status

	// ID is the id under which the event is stored.
	ID string

	// Position is where the event, or the first copy of a duplicate, is. It is
	// zero where nothing was stored, the first copy's place is not known, or the
	// store has no positions: it is no Follower.
	Position Position

	// Err says why, for Refused (Code Conflict or Invalid) and Failed (Code
	// Internal, Unavailable or Exhausted); nil otherwise. Always an
	// *daybook.Error.
	Err error
}
