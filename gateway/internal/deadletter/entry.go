package deadletter

import (
	"time"
	"unicode/utf8"
	"unique"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// An Entry is what the index knows of one dead letter. The event itself is in
// the store: see [Index.Show].
type Entry struct {
	// Destination is which one has not got the event. Empty means that the
	// gateway itself set the event aside.
	Destination string

	// Position names the dead letter together with the destination: that of the
	// event, or where the gateway set it aside that of the record which says so.
	// It stays the same however often the event is tried again.
	Position store.Position

	// Record is the position of the newest record about it.
	Record store.Position

	EventID   string
	EventName string // "" = not known
	Caller    string
	Received  time.Time // when the gateway received the event
	Attempts  uint32    // deliveries tried
	Code      daybook.Code
	Reason    string // stable word
	Field     string // the member at fault; "" = none in particular
	Message   string // sentence for people, at most 256 bytes of it
}

// text is a text that many letters share.
type text = unique.Handle[string]

// A key is what a dead letter is about.
type key struct {
	destination text
	position    store.Position
}

// A letter is an Entry as the index keeps it. It is never changed, but for gone.
type letter struct {
	key
	record   store.Position
	id       string
	name     text
	caller   text
	reason   text
	field    text
	message  text
	received int64 // nanoseconds since 1970
	attempts uint32
	code     daybook.Code
	gone     bool // closed, or replaced by a newer one
}

func (l *letter) entry() Entry {
	return Entry{
		Destination: l.destination.Value(), Position: l.position, Record: l.record,
		EventID: l.id, EventName: l.name.Value(), Caller: l.caller.Value(), Received: time.Unix(0, l.received).UTC(),
		Attempts: l.attempts, Code: l.code, Reason: l.reason.Value(), Field: l.field.Value(), Message: l.message.Value(),
	}
}

// refused returns the letter that a KindRefused record is.
func refused(e *store.Entry) *letter {
	f := e.Refusal
	l := &letter{
		key: key{unique.Make(f.Destination), f.Position}, record: e.Position,
		id: e.Event.ID, name: unique.Make(e.Event.Name), caller: unique.Make(e.Caller),
		reason: unique.Make(f.Reason), field: unique.Make(f.Field), message: unique.Make(shortened(f.Message)),
		received: e.Received.UnixNano(), attempts: f.Attempts, code: f.Code,
	}
	if f.Destination == "" || f.Position == 0 {
		l.position = e.Position
	}
	return l
}

// unforwarded returns the letter that a KindSettled record is which says that a
// destination has not taken an event while its caller waited.
func unforwarded(e *store.Entry) *letter {
	s := e.Settlement
	return &letter{
		key: key{unique.Make(s.Destination), s.Position}, record: e.Position,
		id: e.Event.ID, name: unique.Make(e.Event.Name), caller: unique.Make(e.Caller),
		reason: unique.Make(s.Reason), field: unique.Make(""), message: unique.Make(""),
		received: e.Received.UnixNano(), attempts: 1, code: daybook.Unavailable,
	}
}

// maxMessage is how much of a sentence is kept in memory.
const maxMessage = 256

// shortened returns text without what is too much, and without half a rune.
func shortened(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	end := maxMessage
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// A queue is letters in the order of their records. Letters that are gone are
// left out when somebody looks, and now and then taken out.
type queue struct {
	letters []*letter
	open    int // letters not gone
}

// push appends a letter, which is newer than all.
func (q *queue) push(l *letter) {
	if len(q.letters) >= 64 && len(q.letters) > 2*q.open {
		kept := make([]*letter, 0, q.open+q.open/4+1)
		for _, old := range q.letters {
			if !old.gone {
				kept = append(kept, old)
			}
		}
		q.letters = kept
	}
	q.letters = append(q.letters, l)
	q.open++
}

// oldest returns the oldest letter, or nil.
func (q *queue) oldest() *letter {
	for len(q.letters) > 0 && q.letters[0].gone {
		q.letters = q.letters[1:]
	}
	if len(q.letters) == 0 {
		return nil
	}
	return q.letters[0]
}
