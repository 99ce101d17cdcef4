package strictjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Text reads a string and returns it decoded. Without escapes it is a part of
// the scanner's text; either way it is valid until Forget.
func (s *Scanner) Text() []byte {
	s.skipBlanks()
	start := s.pos
	if s.peek() != '"' {
		s.fail("a string must begin with '\"'")
		return nil
	}
	escaped := s.skipString()
	if s.broken.Is() {
		return nil
	}
	return s.decode(s.text[start:s.pos], escaped)
}

// decode returns the text of a string that was read.
func (s *Scanner) decode(quoted []byte, escaped bool) []byte {
	if !escaped {
		return quoted[1 : len(quoted)-1]
	}
	return s.unescape(quoted)
}

func (s *Scanner) unescape(quoted []byte) []byte {
	var paid bool
	if s.scratch, paid = room(s.scratch, len(quoted), 1, s.Charge); !paid {
		s.unpaid()
		return nil
	}
	from := len(s.scratch)
	s.scratch = AppendText(s.scratch, quoted)
	return s.scratch[from:len(s.scratch):len(s.scratch)]
}

// skipString reads a string and reports whether it has escapes.
func (s *Scanner) skipString() (escaped bool) {
	end := plain(s.text, s.pos+1)
	if end < len(s.text) && s.text[end] == '"' {
		s.pos = end + 1
		return false
	}
	s.pos = end
	return s.skipUnusual()
}

// skipUnusual reads the rest of a string that is more than printable ASCII.
// Only the end of the text, a control character and an escape that does not
// exist break the scanner; text that is no Unicode is a flaw.
func (s *Scanner) skipUnusual() (escaped bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return escaped
		case c == '\\':
			escaped = true
			if !s.escape() {
				return escaped
			}
		case c < ' ':
			s.fail("a control character in a string must be escaped")
			return escaped
		case c < utf8.RuneSelf:
			s.pos = plain(s.text, s.pos)
		default:
			s.multibyte()
		}
	}
	s.fail("")
	return escaped
}

// plain returns the index of the first byte from i on that ends a string, an
// escape, a control character or not ASCII. It looks at eight bytes at a time.
func plain(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(text) {
		w := binary.LittleEndian.Uint64(text[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A byte's high bit is set below where the byte is what we look for. A
		// borrow can set it wrongly, but only above a byte that is right.
		special := ((w-' '*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash | w) & highs
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
		i += 8
	}
	for i < len(text) && text[i] >= ' ' && text[i] < utf8.RuneSelf && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

func (s *Scanner) multibyte() {
	r, n := utf8.DecodeRune(s.text[s.pos:])
	if r == utf8.RuneError && n == 1 {
		s.note(InvalidUTF8, s.pos, "a string is not valid UTF-8")
	}
	s.pos += n
}

// escape reads one escape; of a surrogate pair, both halves.
func (s *Scanner) escape() bool {
	if s.pos++; s.pos >= len(s.text) {
		s.fail("")
		return false
	}
	switch s.text[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		return s.unicode()
	}
	s.fail("there is no such escape")
	return false
}

// unicode reads the rest of an escape from its u on.
func (s *Scanner) unicode() bool {
	start := s.pos - 1
	first, ok := hex4(s.text[s.pos+1:])
	if !ok {
		s.pos = min(s.pos+5, len(s.text))
		s.fail("\\u must be followed by four hexadecimal digits")
		return false
	}
	s.pos += 5
	if !utf16.IsSurrogate(first) {
		return true
	}
	if rest := s.text[s.pos:]; len(rest) >= 2 && rest[0] == '\\' && rest[1] == 'u' {
		if second, ok := hex4(rest[2:]); ok && utf16.DecodeRune(first, second) != utf8.RuneError {
			s.pos += 6
			return true
		}
	}
	s.note(LoneSurrogate, start, "a \\u escape is half of a surrogate pair")
	return true
}

// hex4 decodes the four hexadecimal digits that b begins with.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// AppendText appends the decoded form of a string that a scanner has read
// without a flaw, quotes included.
func AppendText(dst, quoted []byte) []byte {
	for b := quoted[1 : len(quoted)-1]; len(b) > 0; {
		if b[0] != '\\' {
			n := 1
			for n < len(b) && b[n] != '\\' {
				n++
			}
			dst, b = append(dst, b[:n]...), b[n:]
			continue
		}
		if b[1] != 'u' {
			dst, b = append(dst, unescaped(b[1])), b[2:]
			continue
		}
		r, _ := hex4(b[2:])
		b = b[6:]
		if utf16.IsSurrogate(r) && len(b) >= 6 && b[0] == '\\' && b[1] == 'u' {
			if second, ok := hex4(b[2:]); ok {
				if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
					r, b = pair, b[6:]
				}
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // a quote, a backslash or a slash
}
