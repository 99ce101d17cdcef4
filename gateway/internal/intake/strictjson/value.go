package strictjson

// AppendValue reads the next value, whatever it is, and appends it to dst
// without the blanks between its tokens; strings and numbers stay as written.
// What is appended is never longer than what was read. A value in which more
// than levels objects and arrays are open at once is flawed.
//
// It loops instead of calling itself: how deep a text nests is its sender's
// choice and must not be how deep our stack goes.
func (s *Scanner) AppendValue(dst []byte, levels int) []byte {
	s.skipBlanks()
	if c := s.peek(); c != '{' && c != '[' {
		start := s.pos
		s.scalar(c)
		return append(dst, s.text[start:s.pos]...)
	}
	s.dst, s.from = dst, s.pos
	outside := len(s.stack)
	for s.descend(outside+levels) || s.ascend(outside) {
	}
	copied := s.dst
	s.dst = nil
	return append(copied, s.text[s.from:s.pos]...)
}

// descend reads the value at the present position: a scalar as a whole, of an
// object or array what comes before its first member's value. True means that a
// member's value is next, false that a value has ended.
func (s *Scanner) descend(limit int) bool {
	switch c := s.peek(); c {
	case '{', '[':
		s.open(c)
	default:
		s.scalar(c)
		return false
	}
	if s.broken.Is() {
		return false
	}
	if len(s.stack) > limit {
		s.note(TooDeep, s.pos-1, "objects and arrays are nested too deep")
	}
	s.squeeze()
	return s.peek() != s.stack[len(s.stack)-1].close && s.label()
}

// ascend reads what follows a value: the brackets that close, and the comma
// before a neighbour. True means that the neighbour's value is next.
func (s *Scanner) ascend(outside int) bool {
	for len(s.stack) > outside && !s.broken.Is() {
		s.squeeze()
		switch s.peek() {
		case s.stack[len(s.stack)-1].close:
			s.pos++
			s.stack = s.stack[:len(s.stack)-1]
		case ',':
			s.pos++
			s.squeeze()
			return s.label()
		default:
			s.fail(commaMissing)
		}
	}
	return false
}

// label reads the name and colon before a value of an object. In an array there
// is none. True means that a value is next.
func (s *Scanner) label() bool {
	if s.stack[len(s.stack)-1].object != 0 {
		s.name()
		s.squeeze()
		if s.peek() != ':' {
			s.fail(colonMissing)
			return false
		}
		s.pos++
		s.squeeze()
	}
	return !s.broken.Is()
}

const (
	colonMissing = "a name must be followed by ':'"
	commaMissing = "members must be separated by ','"
)

// name reads a member's name and notices one that was read before.
func (s *Scanner) name() []byte {
	start := s.pos
	if s.peek() != '"' {
		s.fail("a member must begin with its name in quotes")
		return nil
	}
	escaped := s.skipString()
	if s.broken.Is() {
		return nil
	}
	s.quoted = s.text[start:s.pos]
	name := s.decode(s.quoted, escaped)
	if s.flaw.Is() {
		return name
	}
	switch s.names.add(s.text, s.stack[len(s.stack)-1].object, name, start+1, escaped) {
	case taken:
		s.noteName(name, start)
	case unpaid:
		s.unpaid()
	case full:
		s.note(TooManyNames, start, "there are more names than an event can hold")
	}
	return name
}

// squeeze skips blanks and leaves them out of the copy.
func (s *Scanner) squeeze() {
	if s.peek() <= ' ' {
		s.skipAndCopy()
	}
}

func (s *Scanner) skipAndCopy() {
	end := s.pos
	s.skipBlanks()
	if s.from < end {
		s.dst = append(s.dst, s.text[s.from:end]...)
	}
	s.from = s.pos
}
