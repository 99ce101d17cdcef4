package serve

import (
	"context"
	"slices"

	"daybook.dev"
)

// A kind is a type of destination: a technology, its keys, and how a sink of it
// is opened. One file each, kind_*.go, is all that knows the technology.
type kind struct {
	word    string
	options func() any // a pointer to a zero struct whose fields are the keys

	// open returns the sink. It does not wait for the other side: a gateway
	// starts while its destinations are down. An error is a mistake in the
	// configuration; its Field is the key at fault.
	open func(ctx context.Context, d *Destination) (daybook.Sink, error)

	confirms bool // its nil means that events are kept there: it can be the store
	obeys    bool // leaves out the events whose callers asked not to forward them
}

// keys are those that a destination of this kind can have.
func (k kind) keys() keyTable { return slices.Concat(commonKeys(), optionKeys(k.options())) }

// kinds lists the types of destinations, in the order of their words.
func kinds() []kind {
	return []kind{daybookKind(), kafkaKind(), natsKind(), postgresKind(), pubsubKind(), spannerKind(), statsigKind(), webhookKind()}
}

func kindNamed(word string) (kind, bool) {
	for _, k := range kinds() {
		if k.word == word {
			return k, true
		}
	}
	return kind{}, false
}

func kindWords() []string {
	var words []string
	for _, k := range kinds() {
		words = append(words, k.word)
	}
	return words
}

// DestinationKeys lists the keys of each type of destination that are its own,
// and under "every destination" those that all have.
func DestinationKeys() map[string][]Key {
	all := map[string][]Key{"every destination": commonKeys()}
	for _, k := range kinds() {
		all[k.word] = optionKeys(k.options())
	}
	return all
}
