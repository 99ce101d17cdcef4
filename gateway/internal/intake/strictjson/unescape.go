package strictjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Unescape rewrites text, JSON that a scanner has read without a flaw, so that
// its strings have only the escapes they need: the shortest form of the same
// value, and the one that limits on stored bytes are about. It works in place
// and returns the shortened text.
func Unescape(text []byte) []byte {
	escape := bytes.IndexByte(text, '\\')
	if escape < 0 {
		return text
	}
	out, rest := text[:escape], text[escape:]
	for len(rest) > 0 {
		if rest[0] != '\\' {
			next := bytes.IndexByte(rest, '\\')
			if next < 0 {
				next = len(rest)
			}
			out, rest = append(out, rest[:next]...), rest[next:]
			continue
		}
		r, n := escaped(rest)
		out, rest = appendRune(out, r), rest[n:]
	}
	return out
}

// escaped decodes the escape that b begins with, and how many bytes it takes.
func escaped(b []byte) (r rune, n int) {
	if b[1] != 'u' {
		return rune(unescaped(b[1])), 2
	}
	first, _ := hex4(b[2:])
	if utf16.IsSurrogate(first) && len(b) >= 12 {
		second, _ := hex4(b[8:])
		return utf16.DecodeRune(first, second), 12
	}
	return first, 6
}

// appendRune appends r as it must stand inside a string's quotes.
func appendRune(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r >= ' ':
		return utf8.AppendRune(dst, r)
	}
	if short := shortEscapes[r]; short != 0 {
		return append(dst, '\\', short)
	}
	return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
}

// shortEscapes are the control characters that have an escape of one letter.
var shortEscapes = [' ']byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
