// Package object works on the text of JSON objects: a value that is not looked
// at stays as it was written.
package object

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// Envelope is the member of the metadata in which a gateway keeps what it says
// itself about an event: whether to forward it, who called. It is nobody's
// outside.
const Envelope = "_eventLog"

// AppendCompact appends a JSON value on one line, with numbers and strings as
// they were written. The error means that value is not strict JSON: not JSON, not
// UTF-8, or with one name twice in an object; its text shows parts of value.
func AppendCompact(dst, value []byte) ([]byte, error) {
	return jsontext.AppendFormat(dst, value, jsontext.PreserveRawStrings(true))
}

// Without removes from the object that begins at start, and ends with dst, the
// members that drop names. The object must come from AppendCompact.
func Without(dst []byte, start int, drop func(name []byte) bool) []byte {
	kept := start + 1 // where the next member that stays goes
	for at := kept; dst[at] != '}'; {
		if dst[at] == ',' {
			at++
		}
		colon := textEnd(dst, at)
		end := valueEnd(dst, colon+1)
		if !drop(unquoted(dst[at:colon])) {
			if kept > start+1 {
				dst[kept] = ','
				kept++
			}
			kept += copy(dst[kept:], dst[at:end])
		}
		at = end
	}
	dst[kept] = '}'
	return dst[:kept+1]
}

// Members yields the names and values of an object from AppendCompact, in order,
// each as JSON. They point into object.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for at := 1; object[at] != '}'; {
			if object[at] == ',' {
				at++
			}
			colon := textEnd(object, at)
			end := valueEnd(object, colon+1)
			if !yield(object[at:colon], object[colon+1:end]) {
				return
			}
			at = end
		}
	}
}

// unquoted returns what a JSON string says.
func unquoted(quoted []byte) []byte {
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') < 0 {
		return plain
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // it is valid
	return text
}

// valueEnd returns where the value that begins at ends.
func valueEnd(json []byte, at int) int {
	for depth := 0; ; at++ {
		switch json[at] {
		case '"':
			at = textEnd(json, at)
			if depth == 0 {
				return at
			}
			at--
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return at
			}
		case '}', ']':
			if depth == 0 {
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
}

// textEnd returns where the string that begins at ends.
func textEnd(json []byte, at int) int {
	for at++; json[at] != '"'; at++ {
		if json[at] == '\\' {
			at++
		}
	}
	return at + 1
}
