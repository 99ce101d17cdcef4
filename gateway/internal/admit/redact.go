package admit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/members"
)

// With is how a field is redacted.
type With string

// The ways.
const (
	Remove With = "remove" // nothing is left, not even the name
	Mask   With = "mask"   // something was there: "***"
	Hash   With = "hash"   // the same value is the same text, which does not say which: HMAC-SHA-256
)

// A Redaction is one field that is not stored as it was received.
type Redaction struct {
	// Field is actor_id, or a member of the metadata such as
	// metadata.user.email. A dot leads into an object, or stands in a member's
	// own name; arrays are passed through, so that the member is redacted in each
	// of their elements.
	Field string

	With With
	Key  []byte // of Hash; at least 16 bytes
}

// minKey is how long a key for hashing is at least. A key that can be guessed
// makes addresses and telephone numbers readable again.
const minKey = 16

// masked is what Mask leaves.
const masked = "***"

// A Redactor redacts events: all of its redactions, always. It is safe for
// concurrent use. Nil redacts nothing.
type Redactor struct {
	actor    *way
	metadata *redacted
}

// A redacted is what is done to a value, or to what is inside of it.
type redacted struct {
	way     *way // nil = only what is inside
	members map[string]*redacted
}

// A way is how one value is redacted.
type way struct {
	with With
	pool sync.Pool // of hash.Hash
}

// NewRedactor compiles redactions. The error names what cannot be meant: its code
// is Invalid, its Field the key at fault. It never has the key for hashing.
func NewRedactor(redactions []Redaction) (*Redactor, error) {
	if len(redactions) == 0 {
		return nil, nil
	}
	r := &Redactor{}
	for i := range redactions {
		if err := r.add(&redactions[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Redactor) add(redaction *Redaction) error {
	w, err := newWay(redaction)
	if err != nil {
		return err
	}
	path, ok := strings.CutPrefix(redaction.Field, "metadata.")
	if !ok {
		if redaction.Field != "actor_id" {
			return badRedaction("field", fmt.Sprintf("%q cannot be redacted: name actor_id, or a member such as metadata.email", redaction.Field))
		}
		if r.actor != nil {
			return badRedaction("field", "actor_id is redacted twice")
		}
		r.actor = w
		return nil
	}
	if r.metadata == nil {
		r.metadata = &redacted{}
	}
	at := r.metadata
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			return badRedaction("field", fmt.Sprintf("%q has an empty name between its dots", redaction.Field))
		}
		if at.members == nil {
			at.members = map[string]*redacted{}
		}
		if at.members[name] == nil {
			at.members[name] = &redacted{}
		}
		at = at.members[name]
	}
	if at.way != nil {
		return badRedaction("field", redaction.Field+" is redacted twice")
	}
	at.way = w
	return nil
}

func newWay(r *Redaction) (*way, error) {
	w := &way{with: r.With}
	switch r.With {
	case Remove, Mask:
		if len(r.Key) > 0 {
			return nil, badRedaction("key", fmt.Sprintf("a key is for with: %s", Hash))
		}
	case Hash:
		if len(r.Key) < minKey {
			return nil, badRedaction("key", fmt.Sprintf("with: %s needs a key of at least %d bytes, such as openssl rand -hex 32 prints", Hash, minKey))
		}
		key := bytes.Clone(r.Key)
		w.pool.New = func() any { return hmac.New(sha256.New, key) }
	default:
		return nil, badRedaction("with", fmt.Sprintf("must be %s, %s or %s", Remove, Mask, Hash))
	}
	return w, nil
}

func badRedaction(field, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: "bad_redaction", Message: message}
}

// Redact redacts e. It changes e alone: metadata that it shares with others stays
// as it is. What is not redacted stays as it is written, numbers and all.
func (r *Redactor) Redact(e *daybook.Event) {
	if r == nil {
		return
	}
	if r.actor != nil && e.Actor != "" {
		e.Actor = r.actor.text(e.Actor)
	}
	if r.metadata != nil {
		e.Metadata = r.metadata.whole(e.Metadata)
	}
}

// text is what becomes of a text that is no JSON.
func (w *way) text(s string) string {
	switch w.with {
	case Mask:
		return masked
	case Hash:
		return string(w.appendHash(nil, []byte(s)))
	}
	return ""
}

// appendHash appends the HMAC of a text, in hexadecimal digits.
func (w *way) appendHash(dst, text []byte) []byte {
	h := w.pool.Get().(hash.Hash)
	defer w.pool.Put(h)
	h.Reset()
	_, _ = h.Write(text) // never fails
	var sum [sha256.Size]byte
	return hex.AppendEncode(dst, h.Sum(sum[:0]))
}

// buffers are where metadata is redacted: what is not changed costs no memory.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer keeps one rare large event from pinning its memory.
const maxBuffer = 1 << 20

// whole returns the redacted form of an event's metadata. What cannot be read as
// an object is not kept: nobody knows what is in it.
func (n *redacted) whole(raw []byte) []byte {
	if len(raw) == 0 {
		return nil
	}
	buffer := buffers.Get().(*[]byte)
	out, changed, ok := n.appendObject((*buffer)[:0], raw)
	switch {
	case !ok:
		raw = nil
	case changed:
		raw = bytes.Clone(out)
	}
	if cap(out) <= maxBuffer {
		*buffer = out
	}
	buffers.Put(buffer)
	return raw
}

// appendObject appends an object whose members are redacted. It reports whether
// that made a difference, and whether raw is an object.
func (n *redacted) appendObject(dst, raw []byte) (out []byte, changed, ok bool) {
	dst = append(dst, '{')
	none := len(dst)
	ok = members.Each(raw, func(m members.Member) bool {
		before := len(dst)
		if before > none {
			dst = append(dst, ',')
		}
		inner := n.find(m.Name)
		switch {
		case inner == nil:
			dst = append(dst, m.Text...)
		case inner.way != nil && inner.way.with == Remove:
			dst, changed = dst[:before], true
		default:
			var other bool
			dst = append(dst, m.Text[:len(m.Text)-len(m.Value)]...)
			dst, other = inner.appendValue(dst, m.Value)
			changed = changed || other
		}
		return true
	})
	return append(dst, '}'), changed, ok
}

// find returns what is done to a member, nil for nothing. A name with dots in it
// is the path that it looks like.
func (n *redacted) find(name []byte) *redacted {
	for at := n; ; {
		first, rest, more := bytes.Cut(name, []byte{'.'})
		if at = at.members[string(first)]; at == nil || !more {
			return at
		}
		name = rest
	}
}

// appendValue appends a value redacted, and reports whether that made a
// difference.
func (n *redacted) appendValue(dst []byte, value jsontext.Value) (out []byte, changed bool) {
	switch value.Kind() {
	case jsontext.KindNull:
		return append(dst, value...), false // says nothing
	case jsontext.KindBeginArray:
		return n.appendArray(dst, value)
	case jsontext.KindBeginObject:
		if n.way == nil {
			out, changed, _ = n.appendObject(dst, value)
			return out, changed
		}
	}
	if n.way == nil {
		return append(dst, value...), false // nothing is inside
	}
	return n.way.appendTo(dst, value), true
}

// appendArray redacts each element.
func (n *redacted) appendArray(dst []byte, array jsontext.Value) (out []byte, changed bool) {
	dst = append(dst, '[')
	none := len(dst)
	members.EachElement(array, func(value jsontext.Value) {
		if len(dst) > none {
			dst = append(dst, ',')
		}
		var other bool
		dst, other = n.appendValue(dst, value)
		changed = changed || other
	})
	return append(dst, ']'), changed
}

// appendTo appends what stands for a value that is no array: of a text its
// content is hashed, of anything else what is written.
func (w *way) appendTo(dst []byte, value jsontext.Value) []byte {
	if w.with != Hash {
		return append(dst, `"`+masked+`"`...)
	}
	text := []byte(value)
	if value.Kind() == jsontext.KindString {
		text = members.Unquote(value)
	}
	return append(w.appendHash(append(dst, '"'), text), '"')
}
