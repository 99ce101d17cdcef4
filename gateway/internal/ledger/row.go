package ledger

import (
	"maps"
	"slices"
	"strings"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// statuses is how many there are, the unknown one included.
const statuses = daybook.Failed + 1

// maxCallers bounds the accounts. Callers come from the configuration, so that
// more are a mistake; it must not cost memory, nor make summaries endless.
const maxCallers = 1000

// The accounts that are no caller's.
const (
	Others  = "(other)"   // callers beyond the first thousand
	Unknown = "(unknown)" // stored by somebody, and gone before it was counted
)

// A row is the account of one caller.
type row struct {
	// stored is how many events were, up to where the store was opened, as far as
	// they have been counted again.
	stored uint64

	// before are the counts of the last life: what was not stored, by status.
	before [statuses]uint64

	// observed is what callers were told in this life.
	observed struct {
		received uint64
		by       [statuses]uint64
	}
}

// row returns the account of a caller. It must be called with mu held.
func (l *Ledger) row(caller string) *row {
	if r, known := l.rows[caller]; known {
		return r
	}
	if caller != Others && caller != Unknown {
		if l.callers >= maxCallers {
			return l.row(Others)
		}
		l.callers++
	}
	r := &row{}
	l.rows[strings.Clone(caller)] = r
	return r
}

// names must be called with mu held.
func (l *Ledger) names() []string {
	return slices.Sorted(maps.Keys(l.rows))
}

// notStored returns how many events had a status that leaves no record.
func (r *row) notStored(s daybook.Status) uint64 { return r.before[s] + r.observed.by[s] }

// account returns the name of the account of a caller. It must be called with
// mu held.
func (l *Ledger) account(caller string) string {
	l.row(caller)
	if _, own := l.rows[caller]; own {
		return caller
	}
	return Others
}

// storedBefore returns how many events were stored before this life, by account
// and as far as they are counted. It must be called with mu held.
func (l *Ledger) storedBefore() map[string]uint64 {
	by := make(map[string]uint64, len(l.rows))
	for name, r := range l.rows {
		by[name] = r.stored
	}
	return by
}

// storedSince returns how many events were stored in this life, by account, and
// up to which position. It must be called with mu held.
func (l *Ledger) storedSince() (by map[string]uint64, to store.Position) {
	_, to, since := l.options.Store.Stored()
	by = make(map[string]uint64, len(since))
	for caller, n := range since {
		by[l.account(caller)] += n
	}
	return by, to
}

// stored returns the sum of both.
func (l *Ledger) stored() (by map[string]uint64, to store.Position) {
	by, to = l.storedSince()
	for name, n := range l.storedBefore() {
		by[name] += n
	}
	return by, to
}
