package cloudevents

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/eventjson"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A payload is the data of an event. The zero value is none.
type payload struct {
	// object says that it is a JSON object. Its members are at the end of the
	// decoder's out then, behind the bracket that opens it.
	object bool

	// kept says that a member called _cloudEvent is among them: the event was a
	// CloudEvent before this one.
	kept bool

	// other is data that is no object, as JSON has it in structured mode: the
	// value of data, or text of data_base64.
	other  []byte
	base64 bool
}

// value reads the data that is next in s.
func (d *decoder) value(s *strictjson.Scanner) payload {
	switch s.Kind() {
	case '{':
		return d.object(s)
	case 'n': // no data, as for attributes
		d.skip(s)
		return payload{}
	default:
		return payload{other: s.AppendValue(nil, eventjson.MaxDepth-2)}
	}
}

func (d *decoder) object(s *strictjson.Scanner) payload {
	p := payload{object: true}
	mark := len(d.out)
	d.out = append(d.out, '{')
	s.EnterObject()
	for {
		name, more := s.Member()
		if !more {
			return p
		}
		switch string(name) {
		case reservedName:
			d.skip(s)
			continue
		case memberName:
			p.kept = true
		}
		if len(d.out) > mark+1 {
			d.out = append(d.out, ',')
		}
		d.out = append(d.out, s.QuotedName()...)
		d.out = append(d.out, ':')
		d.out = s.AppendValue(d.out, eventjson.MaxDepth-1)
	}
}

// reservedName is the metadata member of the event-logging contract, and
// memberName that of this protocol. The first is nobody's to set.
const (
	reservedName = "_eventLog"
	memberName   = "_cloudEvent"
)

// decodeBase64 reads the data of an event that has it as base64. Go's SDK writes
// JSON so where it was given bytes: it is the same data, and treated as such.
func (d *decoder) decodeBase64(e *event) {
	a := e.base64
	if a.absent() {
		return
	}
	if e.data.object || e.data.other != nil {
		e.refuse("data_base64", reasonTwoPayloads, "data and data_base64 are the same thing; send one of them")
		return
	}
	if !a.isText() {
		e.refuse("data_base64", reasonWrongType, "data_base64 must be a string")
		return
	}
	bytes, err := base64.StdEncoding.Strict().DecodeString(a.text())
	if err != nil {
		e.refuse("data_base64", reasonInvalidBase64, "data_base64 is not base64 (RFC 4648, section 4)")
		return
	}
	e.data = payload{other: a.json, base64: true}
	if isJSON(mediaType(e.textOf("datacontenttype"))) {
		if p, problem := d.json(bytes); !problem.Is() {
			e.data = p
		} else {
			d.out = d.out[:e.mark]
		}
	}
}

// json reads data that is JSON by itself.
func (d *decoder) json(text []byte) (payload, strictjson.Problem) {
	d.inner.Reset(text)
	p := d.value(&d.inner)
	d.inner.End()
	if problem := d.inner.Broken(); problem.Is() {
		return payload{}, problem
	}
	return p, d.inner.Flaw()
}

// bytesOf is data that is no JSON: text where it is said to be text and is, else
// base64.
func bytesOf(media string, data []byte) payload {
	if utf8.Valid(data) && isText(media) {
		quoted, _ := jsontext.AppendQuote(nil, data) // it is valid UTF-8
		return payload{other: quoted}
	}
	quoted := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+len(`""`)), '"')
	quoted = base64.StdEncoding.AppendEncode(quoted, data)
	return payload{other: append(quoted, '"'), base64: true}
}
