// Package strictjson reads JSON as strictly as RFC 8259 and RFC 7493 (I-JSON)
// describe it: duplicate names, invalid UTF-8, lone surrogates, byte order
// marks and trailing data are noticed, numbers stay the text they were.
//
// It is a scanner of our own because admission is what Daybook is for. The
// jsontext package judges by the same rules, and the tests hold the two
// together over random input, but an intake needs three things it cannot give:
// reading on behind an event that is refused for a duplicate name, so that its
// neighbours in an array are not refused with it; a limit on depth that is
// checked before anything deeper is parsed; and a compact copy made in the same
// pass, which halves the time of an event (BenchmarkScan prints both).
package strictjson

// hardDepth is the number of open objects and arrays at which the scanner stops
// reading. Up to there a value that is too deep is a flaw, and its end is found.
const hardDepth = 1024

const tooManyOpen = "more than 1,024 objects and arrays are open"

// A Scanner reads one JSON text from front to back. The caller enters objects
// and arrays, asks for their members, and says what to do with each value.
//
// What is wrong with the text is remembered, not returned by each method: once
// the scanner is broken nothing more can be read, and every method returns at
// once. The zero value is ready for Reset. A Scanner is for one goroutine.
type Scanner struct {
	// Charge is asked for the memory of names and decoded texts. Set it before
	// Reset, which keeps it.
	Charge Charge

	text []byte
	pos  int

	stack   []frame // the objects and arrays that are open
	names   names   // of the objects read since the last Forget
	scratch []byte  // decoded texts since the last Forget

	quoted []byte // the name read last, as it was written

	dst  []byte // the copy that AppendValue is making
	from int    // where the part of the text begins that is not copied yet

	broken Problem
	flaw   Problem
}

// A frame is one open object or array.
type frame struct {
	close  byte   // the bracket that ends it
	begun  bool   // a member has been read
	object Object // its number, for objects
}

// Reset starts over with text, which must not change while the scanner reads it
// and while what the scanner returned is in use.
func (s *Scanner) Reset(text []byte) {
	s.text, s.pos = text, 0
	s.stack = s.stack[:0]
	s.broken, s.flaw = Problem{}, Problem{}
	s.names.charge, s.names.objects = s.Charge, 0
	s.Forget()
}

// Forget drops the flaw, the names and the decoded texts so far. Between the
// elements of an array it makes each element stand for itself.
func (s *Scanner) Forget() {
	s.flaw = Problem{}
	s.scratch = s.scratch[:0]
	s.names.forget()
}

// Shrink lets go of memory that one unusual text made the scanner collect.
func (s *Scanner) Shrink() {
	const maxScratch = 64 << 10
	s.text, s.quoted, s.dst = nil, nil, nil
	if cap(s.scratch) > maxScratch {
		s.scratch = nil
	}
	s.names.shrink()
}

// Broken says why nothing more can be read. Its zero value means that the text
// is well formed so far.
func (s *Scanner) Broken() Problem { return s.broken }

// Flaw says what is wrong with the values read since the last Forget although
// their end was found: the first such problem.
func (s *Scanner) Flaw() Problem { return s.flaw }

// Offset is how many bytes have been read.
func (s *Scanner) Offset() int { return s.pos }

// Kind returns the first byte of the next value, with '0' for every number, or
// 0 where no value begins.
func (s *Scanner) Kind() byte {
	s.skipBlanks()
	switch c := s.peek(); {
	case c == '-' || c-'0' <= 9:
		return '0'
	case c == '{' || c == '[' || c == '"' || c == 't' || c == 'f' || c == 'n':
		return c
	}
	return 0
}

// EnterObject reads the bracket that begins an object; Member reads on in it.
func (s *Scanner) EnterObject() Object {
	s.skipBlanks()
	if s.peek() != '{' {
		s.fail("an object must begin with '{'")
	}
	if s.open('{'); s.broken.Is() {
		return 0
	}
	return s.stack[len(s.stack)-1].object
}

// EnterArray reads the bracket that begins an array; Element reads on in it.
func (s *Scanner) EnterArray() {
	s.skipBlanks()
	if s.peek() != '[' {
		s.fail("an array must begin with '['")
	}
	s.open('[')
}

// Member reads on to the next member of the object that is open and returns its
// name, decoded; the value is next. False means that the object has ended, or
// that the scanner is broken. The name is valid until Forget.
func (s *Scanner) Member() (name []byte, more bool) {
	if !s.next('}') {
		return nil, false
	}
	name = s.name()
	s.skipBlanks()
	if s.peek() != ':' {
		s.fail(colonMissing)
		return nil, false
	}
	s.pos++
	return name, true
}

// QuotedName returns the name that Member returned last as it was written,
// quotes included.
func (s *Scanner) QuotedName() []byte { return s.quoted }

// Has reports whether o, an object read since the last Forget, has a member
// called name.
func (s *Scanner) Has(o Object, name []byte) bool { return s.names.has(s.text, o, name) }

// Element reads on to the next element of the array that is open. False means
// that the array has ended, or that the scanner is broken.
func (s *Scanner) Element() bool { return s.next(']') }

// End reads to the end of the text, where only blanks may be left.
func (s *Scanner) End() {
	s.skipBlanks()
	if !s.broken.Is() && s.pos < len(s.text) {
		s.fail("something follows the value")
	}
}

// next reads the comma between members, or the closing bracket.
func (s *Scanner) next(closing byte) bool {
	s.skipBlanks()
	if s.broken.Is() || len(s.stack) == 0 {
		return false
	}
	top := &s.stack[len(s.stack)-1]
	if s.peek() == closing {
		s.pos++
		s.stack = s.stack[:len(s.stack)-1]
		return false
	}
	if top.begun {
		if s.peek() != ',' {
			s.fail(commaMissing)
			return false
		}
		s.pos++
		s.skipBlanks()
	}
	top.begun = true
	return true
}

// open reads a bracket and opens what it begins.
func (s *Scanner) open(bracket byte) {
	if s.broken.Is() {
		return
	}
	s.pos++
	if len(s.stack) == hardDepth {
		s.broken = Problem{Reason: TooDeep, Offset: s.pos - 1, What: tooManyOpen}
		return
	}
	f := frame{close: ']'}
	if bracket == '{' {
		f.close, f.object = '}', s.names.object()
	}
	s.stack = append(s.stack, f)
}

// peek returns the next byte, or 0, which is no part of any token, at the end.
func (s *Scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *Scanner) skipBlanks() {
	for s.pos < len(s.text) && Blank(s.text[s.pos]) {
		s.pos++
	}
}

// Blank reports whether c may stand between the tokens of JSON.
func Blank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
