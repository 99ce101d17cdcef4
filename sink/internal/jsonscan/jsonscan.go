// Package jsonscan walks over the tokens of JSON texts that are known to be
// valid, for sinks whose destinations keep fewer JSON texts than there are.
package jsonscan

import (
	"bytes"
	"iter"
)

// Tokens yields every string, number, brace and bracket of a text, from its
// first byte to its last: '"' begins a string, which comes with its quotes and
// escapes, '-' or a digit a number. Words, colons and commas are passed over.
// Every byte is looked at once and nothing is allocated. Of a text that is no
// JSON it yields something, and ends.
func Tokens(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 0; i < len(text); {
			n := 1
			switch c := text[i]; {
			case c == '"':
				n = stringLen(text[i:])
			case c == '-' || '0' <= c && c <= '9':
				n = numberLen(text[i:])
			case c != '{' && c != '}' && c != '[' && c != ']':
				i++
				continue
			}
			if !yield(text[i : i+n]) {
				return
			}
			i += n
		}
	}
}

// Escapes yields the escapes of a string token, each from its backslash to the
// string's end.
func Escapes(token []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			i := bytes.IndexByte(token, '\\')
			if i < 0 || !yield(token[i:]) {
				return
			}
			token = token[min(i+2, len(token)):] // \\ and \" are one escape
		}
	}
}

// stringLen returns the length of the string that s begins with.
func stringLen(s []byte) int {
	n := 1
	for {
		quote := bytes.IndexByte(s[n:], '"')
		if quote < 0 {
			return len(s)
		}
		escape := bytes.IndexByte(s[n:n+quote], '\\')
		if escape < 0 {
			return n + quote + 1
		}
		n = min(n+escape+2, len(s))
	}
}

// numberLen returns the length of the number that s begins with.
func numberLen(s []byte) int {
	for i, c := range s {
		switch {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return i
		}
	}
	return len(s)
}
