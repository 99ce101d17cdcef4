package sink_test

import (
	"testing"

	"daybook.dev"
	"daybook.dev/sink"
)

// Rows that exist are found by these ids: a vector never changes.
func TestRowIDIsTheSameForever(t *testing.T) {
	for _, c := range []struct {
		name, scope, id, want string
	}{
		{"a UUID stays", "checkout", "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001", "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001"},
		{"a UUID in capitals is the same UUID", "", "0B7E3F5E-5C5B-4A3F-9D1B-3A1E5F6C0001", "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001"},
		{"another id is hashed with its scope", "checkout", "order-1", "999dd5b2-83af-5878-a250-99ad0d61e4a4"},
		{"in another scope it is another row", "search", "order-1", "1aba8c8b-dfab-5310-a477-01ad7afbfbaa"},
		{"without a scope too", "", "order-1", "00779461-057d-5ed2-9681-36ebb4a6128a"},
		{"a UUID in another form is any text", "", "{0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001}", "2ca058b4-4e6a-59ad-80c2-2f75d5e6b84d"},
		{"so is one without dashes", "", "0b7e3f5e5c5b4a3f9d1b3a1e5f6c0001", "d9fceaf6-ff54-5e91-abb3-d7c423b4deae"},
		{"so is nothing", "", "", "ae7f628f-6f7d-5160-a34f-fd8dc46acd2c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := daybook.Event{ID: c.id}
			if c.scope != "" {
				e.Origin = &daybook.Origin{Scope: c.scope}
			}
			if got := sink.RowID(&e); got != c.want {
				t.Errorf("row id is %s, want %s", got, c.want)
			}
		})
	}
}
