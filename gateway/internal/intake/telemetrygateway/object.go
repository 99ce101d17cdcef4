package telemetrygateway

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// An object is the members of a JSON object, in their order.
type object []member

type member struct {
	name  string
	value jsontext.Value
}

var errNoObject = errors.New("not an object")

// members returns the members of v, which it copies.
func members(v jsontext.Value) (object, error) {
	if v.Kind() != jsontext.KindBeginObject {
		return nil, errNoObject
	}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var o object
	for d.PeekKind() != jsontext.KindEndObject {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		text := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		o = append(o, member{text, value.Clone()})
	}
	return o, nil
}

// value returns the value of a member, or nil.
func (o object) value(name string) jsontext.Value {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// textOf returns the text of a JSON string, "" of anything else.
func textOf(v jsontext.Value) string {
	if v.Kind() != jsontext.KindString {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(text)
}
