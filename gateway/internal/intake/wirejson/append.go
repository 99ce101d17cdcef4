package wirejson

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// An Encoder writes messages as JSON. It is not safe for concurrent use.
type Encoder struct {
	// MaxBytes is how long what it appends to may become. Zero means no limit.
	MaxBytes int

	keyed []keyed // reused from map to map
}

// AppendMessage appends the JSON of b, a message of that shape.
func (e *Encoder) AppendMessage(dst []byte, s *Shape, b []byte) ([]byte, error) {
	var f Fields
	if err := s.Parse(b, &f); err != nil {
		return dst, err
	}
	return e.AppendFields(dst, s, &f)
}

// AppendFields appends the JSON of a message that has been parsed.
func (e *Encoder) AppendFields(dst []byte, s *Shape, f *Fields) ([]byte, error) {
	dst = append(dst, '{')
	for _, n := range s.order {
		var err error
		if dst, err = e.AppendMember(dst, s, n, &f[n]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// AppendMember appends one member of a message's JSON, name and value, with a
// comma before it unless it is the first; nothing where f is not populated.
func (e *Encoder) AppendMember(dst []byte, s *Shape, n protowire.Number, f *Field) ([]byte, error) {
	m := &s.members[n]
	if !m.populated(f) {
		return dst, nil
	}
	if m.kind == entries {
		return e.appendMap(s.AppendName(dst, n), s, f.Bytes, n)
	}
	return e.appendValue(s.AppendName(dst, n), m, f)
}

// AppendName appends the name of a member and a colon, with a comma before it
// unless it is the first of its object.
func (s *Shape) AppendName(dst []byte, n protowire.Number) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(dst, s.members[n].prefix...)
}

// populated reports whether protojson writes the field.
func (m *member) populated(f *Field) bool {
	switch {
	case !f.Set || m.presence || m.kind == entries:
		return f.Set
	case m.kind == text:
		return len(f.Bytes) > 0
	}
	return f.bits != 0
}

func (e *Encoder) appendValue(dst []byte, m *member, f *Field) ([]byte, error) {
	var err error
	switch m.kind {
	case text:
		if e.MaxBytes > 0 && len(f.Bytes) > e.MaxBytes {
			return dst, ErrTooLong
		}
		dst = appendQuoted(dst, f.Bytes)
	case int32Number:
		dst = strconv.AppendInt(dst, f.Int(), 10)
	case int64Number:
		dst = append(strconv.AppendInt(append(dst, '"'), f.Int(), 10), '"')
	case double:
		dst = appendDouble(dst, f.double())
	case message:
		dst, err = e.AppendMessage(dst, m.message, f.Bytes)
	}
	if err == nil && e.tooLong(dst) {
		err = ErrTooLong
	}
	return dst, err
}

func (e *Encoder) tooLong(dst []byte) bool { return e.MaxBytes > 0 && len(dst) > e.MaxBytes }
