package strictjson

// A Charge is asked before a scanner takes that many bytes of memory beside the
// text, and says whether it may. What is charged is never given back: the
// scanner's user knows when it is done. Nil always says yes.
type Charge func(bytes int) bool

func (c Charge) take(bytes int) bool { return c == nil || c(bytes) }

// room returns list with room for more elements of size bytes each, moved to
// twice the memory where there was none. False means that it may not grow.
func room[T any](list []T, more, size int, charge Charge) ([]T, bool) {
	if cap(list)-len(list) >= more {
		return list, true
	}
	const least = 64
	larger := max(2*cap(list), len(list)+more, least)
	if !charge.take(larger * size) {
		return list, false
	}
	return append(make([]T, 0, larger), list...), true
}

// unpaid breaks the scanner for want of memory.
func (s *Scanner) unpaid() {
	if !s.broken.Is() {
		s.broken = Problem{Reason: NoMemory, Offset: s.pos, What: "there is no memory to read on"}
	}
}
