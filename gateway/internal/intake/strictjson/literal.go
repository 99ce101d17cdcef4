package strictjson

// scalar reads a string, a number, true, false or null that begins with c.
func (s *Scanner) scalar(c byte) {
	switch {
	case c == '"':
		s.skipString()
	case c == '-' || c-'0' <= 9:
		s.number()
	case c == 't':
		s.word("true")
	case c == 'f':
		s.word("false")
	case c == 'n':
		s.word("null")
	default:
		s.fail("a value must begin here")
	}
}

func (s *Scanner) word(w string) {
	for i := range len(w) {
		if s.peek() != w[i] {
			s.fail("only true, false and null may stand without quotes")
			return
		}
		s.pos++
	}
}

// number reads a number of RFC 8259, section 6: of any size and precision, as
// nothing is converted.
func (s *Scanner) number() {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++ // and no digit after it: 01 is not a number
	} else {
		s.digits()
	}
	if s.peek() == '.' {
		s.pos++
		s.digits()
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		s.digits()
	}
}

// digits reads at least one digit.
func (s *Scanner) digits() {
	start := s.pos
	for s.peek()-'0' <= 9 {
		s.pos++
	}
	if s.pos == start {
		s.fail("a number must have a digit here")
	}
}
