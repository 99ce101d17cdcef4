package wal

import (
	"bytes"
	"slices"
)

// A Flaw is a place in a chunk that is not as it was written and costs no
// record. It is told because the next one may: what it damaged is a spare.
type Flaw struct {
	Offset int64
	What   string // for people
}

// headerFlaws compares what stands before the records with what was written
// there: two copies of h, and zeros. What a later release has put into the bytes
// of the header that are free here is part of it: the check covers them.
func headerFlaws(b []byte, h *Header) []Flaw {
	want := h.appendTo(nil)
	for _, used := range []int{copyOffset, 0} {
		if _, err := parseHeaderCopy(b[min(used, len(b)):]); err == nil {
			copy(want, b[used:used+headerSize])
			copy(want[copyOffset:], b[used:used+headerSize])
		}
	}
	var flaws []Flaw
	for _, half := range []int{0, copyOffset} {
		got, end := b[min(half, len(b)):min(half+copyOffset, len(b))], half+copyOffset
		if bytes.Equal(got, want[half:end]) {
			continue
		}
		what := "zeros behind the header damaged"
		if !bytes.HasPrefix(got, want[half:half+headerSize]) {
			what = "one copy of the header damaged; the other is used"
		}
		flaws = append(flaws, Flaw{Offset: int64(half + differs(got, want[half:end])), What: what})
	}
	return flaws
}

// differs returns where a first differs from b.
func differs(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// padded tells Flawed when the padding at offset, which no check covers, is not
// zero.
func (s *Scanner) padded(padding []byte, offset int64) {
	if s.Flawed != nil && slices.ContainsFunc(padding, func(c byte) bool { return c != 0 }) {
		s.Flawed(Flaw{Offset: offset, What: "padding behind a record is not zero"})
	}
}
