package strictjson

import "bytes"

// A Problem is what is wrong with a text. The zero value means nothing is.
type Problem struct {
	Reason string // one of the words below; "" = no problem
	Offset int    // of the byte at fault
	Ends   bool   // nothing is wrong but that the text ends too early
	What   string // for people
	Name   string // the name that an object has twice, shortened; else ""
}

// The reasons of problems. The first breaks the scanner; the others are flaws,
// except that nesting beyond all reason breaks it too.
const (
	Malformed     = "invalid_json"
	TooDeep       = "too_deep"
	DuplicateName = "duplicate_name"
	InvalidUTF8   = "invalid_utf8"
	LoneSurrogate = "lone_surrogate"
	TooManyNames  = "too_many_names"
	NoMemory      = "memory_exhausted" // breaks the scanner too; see Charge
)

// Is reports whether there is a problem.
func (p Problem) Is() bool { return p.Reason != "" }

// fail breaks the scanner at the present position. Where the text simply ends,
// that says more than what should have come.
func (s *Scanner) fail(what string) {
	if s.broken.Is() {
		return
	}
	s.broken = Problem{Reason: Malformed, Offset: s.pos, What: what}
	if s.pos >= len(s.text) {
		s.broken = Problem{Reason: Malformed, Ends: true, Offset: len(s.text), What: "the text ends in the middle of a value"}
	}
}

// noteName remembers that an object has a second member called name.
func (s *Scanner) noteName(name []byte, offset int) {
	const most = 64
	if s.flaw.Is() {
		return
	}
	s.flaw = Problem{
		Reason: DuplicateName, Offset: offset, What: "an object has two members of one name",
		Name: string(bytes.ToValidUTF8(name[:min(len(name), most)], nil)),
	}
}

// note remembers a flaw, unless there was one before.
func (s *Scanner) note(reason string, offset int, what string) {
	if !s.flaw.Is() {
		s.flaw = Problem{Reason: reason, Offset: offset, What: what}
	}
}
