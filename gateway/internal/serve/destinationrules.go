package serve

import (
	"errors"
	"fmt"
	"slices"

	"daybook.dev"
)

// destinationProblems returns what is wrong with the destinations, each in
// itself and all together.
func destinationProblems(c Config, from Origins) []error {
	var problems []error
	for i := range c.Destinations {
		d := &c.Destinations[i]
		if _, err := compile(d); err != nil {
			problems = append(problems, placed(err, d, from))
		}
	}
	for _, rule := range []func(Config, Origins) error{storeExists, deadLettersExist, directNeedsWait} {
		if err := rule(c, from); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// placed names the key that an error is about, and where it was set.
func placed(err error, d *Destination, from Origins) error {
	key := destinationsKey + "." + d.Name
	if e, ok := errors.AsType[*daybook.Error](err); ok && e.Field != "" {
		if field := d.key(e.Field); from[field] != "" {
			return fmt.Errorf("%s: %s: %w", from[field], field, err)
		}
	}
	if at := from[key]; at != "" {
		return fmt.Errorf("%s: %s: %w", at, key, err)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// storeExists: an OK rests on the store, so it must be one that can confirm.
func storeExists(c Config, from Origins) error {
	if c.Store == journalStore {
		return nil
	}
	d, ok := c.Destination(c.Store)
	if !ok {
		return fmt.Errorf("store: %q (%s) is neither journal nor the name of a destination: add destinations.%s, or leave store out", c.Store, from.Of("store"), c.Store)
	}
	if k, _ := kindNamed(d.Type); !k.confirms {
		return fmt.Errorf("store: %s is of type %s, which does not keep events: use a destination of type %s", d.Name, d.Type, confirmingWords())
	}
	if d.Where != "" || d.Send != "" || d.Wait {
		return fmt.Errorf("store: %s is the store, so where, send and wait of destinations.%s have no meaning: leave them out", d.Name, d.Name)
	}
	return nil
}

func confirmingWords() string {
	text := ""
	for _, k := range kinds() {
		if !k.confirms {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += k.word
	}
	return text
}

// deadLettersExist: what can never be delivered must not vanish, least of all by
// a misspelt name.
func deadLettersExist(c Config, from Origins) error {
	switch {
	case c.DeadLetters == "":
		return nil
	case c.Store == journalStore:
		return fmt.Errorf("dead_letters: %s (%s): with the journal as the store dead letters are kept there: leave it out", c.DeadLetters, from.Of("dead_letters"))
	case c.DeadLetters == c.Store:
		return fmt.Errorf("dead_letters: %s is the store: name another destination", c.DeadLetters)
	}
	d, ok := c.Destination(c.DeadLetters)
	if !ok {
		return fmt.Errorf("dead_letters: %q (%s) is not the name of a destination", c.DeadLetters, from.Of("dead_letters"))
	}
	if k, _ := kindNamed(d.Type); !k.confirms {
		return fmt.Errorf("dead_letters: %s is of type %s, which does not keep events: use a destination of type %s", d.Name, d.Type, confirmingWords())
	}
	return nil
}

// directNeedsWait: without a journal nothing is kept from which an event could
// be delivered later.
func directNeedsWait(c Config, from Origins) error {
	if c.Store == journalStore {
		return nil
	}
	i := slices.IndexFunc(c.Destinations, func(d Destination) bool {
		return d.Name != c.Store && d.Name != c.DeadLetters && !d.Wait
	})
	if i < 0 {
		return nil
	}
	d := &c.Destinations[i]
	return fmt.Errorf("destinations.%s (%s): with store: %s nothing is kept from which events could be delivered later: add wait: true to it, or store: journal",
		d.Name, from.Of(destinationsKey+"."+d.Name), c.Store)
}
