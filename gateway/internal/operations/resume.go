package operations

import (
	"fmt"
	"strconv"
	"strings"

	"daybook.dev/gateway/internal/store"
)

// A place names a position in one store: the id of a message is the name of the
// store and the position, such as 3f2a1b9c.1-17. A reader that comes back with
// it cannot take the events of another store, after the data directory was
// replaced, for those it has seen.
type place struct {
	store    string // "" = not said
	position store.Position
}

// parsePlace reads an id, or a position alone.
func parsePlace(text string) (place, error) {
	wrong := fmt.Errorf("after: %q is not a position", text)
	var p place
	number := text
	if i := strings.LastIndexByte(text, '-'); i >= 0 {
		if p.store, number = text[:i], text[i+1:]; p.store == "" {
			return p, wrong
		}
	}
	position, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return p, wrong
	}
	p.position = store.Position(position)
	return p, nil
}

// in returns where to continue in the store of that name, and whether that is
// another store than the one p is a place of: then it is before its oldest event.
func (p place) in(name string) (after store.Position, other bool) {
	if p.store == "" || p.store == name {
		return p.position, false
	}
	return 0, true
}

// appendTo appends the line of a message that names p.
func (p place) appendTo(b []byte) []byte {
	b = append(b, "id: "...)
	if p.store != "" {
		b = append(append(b, p.store...), '-')
	}
	b = strconv.AppendUint(b, uint64(p.position), 10)
	return append(b, '\n')
}
