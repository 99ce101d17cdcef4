// Package members reads the members of JSON objects and the elements of arrays
// that lie in memory, without a copy. What it reads was checked at the door: it
// looks for no duplicate names.
package members

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A Member is one of an object's. Its parts are parts of the object's text; so
// is the name, but for one with an escape in it.
type Member struct {
	Name  []byte         // unquoted
	Text  []byte         // name, colon and value as they are written
	Value jsontext.Value // as it is written
}

// A reader reads JSON texts that lie in memory.
type reader struct {
	text    bytes.Buffer
	decoder jsontext.Decoder
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// Each calls use with the members of an object, in order, until it returns
// false. It reports whether raw is an object and was read to the end, or to
// where use had enough.
func Each(raw []byte, use func(Member) bool) bool {
	return each(raw, jsontext.KindBeginObject, func(r *reader) (more, ok bool) {
		quoted, ok := r.value(raw)
		if !ok {
			return false, false
		}
		start := int(r.decoder.InputOffset()) - len(quoted)
		value, ok := r.value(raw)
		if !ok {
			return false, false
		}
		end := int(r.decoder.InputOffset())
		return use(Member{Name: Unquote(quoted), Text: raw[start:end:end], Value: value}), true
	})
}

// EachElement is Each for the elements of an array. It goes on to the end.
func EachElement(raw []byte, use func(value jsontext.Value)) bool {
	return each(raw, jsontext.KindBeginArray, func(r *reader) (more, ok bool) {
		value, ok := r.value(raw)
		if ok {
			use(value)
		}
		return ok, ok
	})
}

// each reads an object or array with next, until that has had enough.
func each(raw []byte, kind jsontext.Kind, next func(*reader) (more, ok bool)) bool {
	r := readers.Get().(*reader)
	defer r.release()
	r.text = *bytes.NewBuffer(raw)
	// Checking names for duplicates again would cost more than reading them.
	r.decoder.Reset(&r.text, jsontext.AllowDuplicateNames(true))
	if first, err := r.decoder.ReadToken(); err != nil || first.Kind() != kind {
		return false
	}
	for k := r.decoder.PeekKind(); k != jsontext.KindEndObject && k != jsontext.KindEndArray; k = r.decoder.PeekKind() {
		if more, ok := next(r); !more {
			return ok
		}
	}
	return true
}

// value reads the next value and returns it as a part of raw: what the decoder
// returns is its own.
func (r *reader) value(raw []byte) (jsontext.Value, bool) {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return nil, false
	}
	end := int(r.decoder.InputOffset())
	return raw[end-len(value) : end : end], true
}

// Unquote returns the text of a string that was read as valid JSON.
func Unquote(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return text
}

func (r *reader) release() {
	r.text = bytes.Buffer{}
	r.decoder.Reset(&r.text) // it must not hold on to the event
	readers.Put(r)
}
