package rule

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A reader reads JSON texts that lie in memory, without a copy.
type reader struct {
	text    bytes.Buffer
	decoder jsontext.Decoder
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// eachMember calls use with the members of an object, in order, until it returns
// false. It reports whether raw is an object and was read to the end, or to
// where use had enough. Values are parts of raw; so are names, but for those with
// an escape in them.
func eachMember(raw []byte, use func(name []byte, value jsontext.Value) bool) bool {
	return each(raw, jsontext.KindBeginObject, func(r *reader) (more, ok bool) {
		quoted, ok := r.value(raw)
		if !ok {
			return false, false
		}
		value, ok := r.value(raw)
		return ok && use(unquote(quoted), value), ok
	})
}

// eachElement is eachMember for an array.
func eachElement(raw []byte, use func(value jsontext.Value)) bool {
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
	// What was stored has been checked at the door; checking names for
	// duplicates again would cost more than reading them.
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

// unquote returns the text of a string that the decoder has found valid.
func unquote(quoted jsontext.Value) []byte {
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
