package daybook

// An Outcome says what became of one event. Status is a fact; an error may
// stand beside it: Stored with an Err means that the event is safe but was not
// forwarded. The zero value means unknown, never success.
type Outcome struct {
	// ID is the event's ID, as given or as assigned.
	ID string

	// Status is what became of the event.
	Status Status

	// Durability is what a Status of Stored or Duplicate rests on.
	Durability Durability

	// Reason is a stable word for machines, such as "metadata_too_large",
	// beside the sentence for people in Err. Empty when there is nothing to
	// explain. docs/reasons.md lists all of them.
	Reason string

	// Err is nil or an *[Error]. It is declared as error so that returning it
	// never makes a non-nil interface of a nil pointer.
	Err error
}

// Status is what became of one event.
type Status uint8

const (
	Unknown   Status = iota // nobody has said yet: the event may or may not be stored
	Stored                  // this copy was stored, to the stated durability
	Duplicate               // a copy was stored before; that one counts
	Dropped                 // a rule, a sampling rate or an opt-out dropped it on purpose
	Refused                 // it is not acceptable as it is; sending it again will not help
	Failed                  // it could not be stored; sending it again with the same ID is safe
)

var statusWords = [...]string{"unknown", "stored", "duplicate", "dropped", "refused", "failed"}

// String returns the word that replies, rows and metrics use.
func (s Status) String() string { return word(statusWords[:], uint8(s)) }

// MarshalText implements [encoding.TextMarshaler].
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. A word this version
// does not know becomes Unknown: a newer gateway must not break older callers.
func (s *Status) UnmarshalText(text []byte) error {
	*s = Status(index(statusWords[:], string(text)))
	return nil
}

// Durability is how safe an event was when the answer was given.
type Durability uint8

const (
	NotDurable Durability = iota // nothing is promised
	InMemory                     // lost with the process; only where the operator asked for it
	Fsynced                      // on this machine's disk, and the disk was told to keep it
	Confirmed                    // a destination has said that it has it
)

var durabilityWords = [...]string{"none", "memory", "fsync", "confirmed"}

// String returns the word that replies and the Daybook-Durability header use.
func (d Durability) String() string { return word(durabilityWords[:], uint8(d)) }

// MarshalText implements [encoding.TextMarshaler].
func (d Durability) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. A word this version
// does not know becomes NotDurable.
func (d *Durability) UnmarshalText(text []byte) error {
	*d = Durability(index(durabilityWords[:], string(text)))
	return nil
}

// word returns the word for value n, or the zero value's word when n is
// outside the list.
func word(words []string, n uint8) string {
	if int(n) >= len(words) {
		return words[0]
	}
	return words[n]
}

// index is the inverse of word.
func index(words []string, w string) int {
	for i := range words {
		if words[i] == w {
			return i
		}
	}
	return 0
}
