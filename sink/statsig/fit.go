package statsig

import (
	"unicode/utf16"
	"unicode/utf8"
)

// floor is how many characters of every value that is written are there at
// least: a name with less beside it says nothing.
const floor = 32

// fit returns which members of a metadata object to write, and how long the
// values may be, so that the object has at most budget characters. From the
// front, every member is kept for which there is still room; then the longest
// values are cut, so that the short ones stay whole. The first member is always
// whole. It reports whether something is missing then. It uses members' memory.
func fit(members []member, budget int) (kept []member, most int, cut bool) {
	room := budget - len("{}") - length(members[0].name) - len(":") - length(members[0].value)
	kept, floors, longest := members[:1], 0, 0
	for _, m := range members[1:] {
		frame, content := len(`,:""`)+length(m.name), length(m.value)-len(`""`)
		if room-floors < frame+min(content, floor) {
			cut = true
			continue
		}
		kept = append(kept, m)
		room -= frame
		floors += min(content, floor)
		longest = max(longest, content)
	}
	// room is what is left for the contents of the values.
	if need(kept[1:], longest) <= room {
		return kept, longest + len(`""`), cut
	}
	low, high := floor, longest // contents of low characters fit, those of high do not
	for high-low > 1 {
		if middle := (low + high) / 2; need(kept[1:], middle) <= room {
			low = middle
		} else {
			high = middle
		}
	}
	return kept, low + len(`""`), true
}

// need returns how many characters the values have when none has more than
// most, quotes not counted.
func need(members []member, most int) int {
	sum := 0
	for _, m := range members {
		sum += min(most, length(m.value)-len(`""`))
	}
	return sum
}

// clip returns the first characters of text.
func clip(text string, most int) string {
	for at, r := range text {
		if most -= utf16.RuneLen(r); most < 0 {
			return text[:at]
		}
	}
	return text
}

// length returns the characters of text as JavaScript counts them: two for those
// beyond 16 bits.
func length(text []byte) int {
	n := 0
	for _, c := range text {
		switch {
		case c >= 0xf0: // begins a character of four bytes
			n += 2
		case c < 0x80 || c >= 0xc0: // begins another one
			n++
		}
	}
	return n
}

// shorten returns a JSON string with at most so many characters, quotes
// included. It cuts neither a character nor an escape in two.
func shorten(quoted []byte, most int) []byte {
	if length(quoted) <= most {
		return quoted
	}
	at, left := 1, most-len(`""`)
	for at < len(quoted)-1 {
		size, cost := step(quoted[at:])
		if cost > left {
			break
		}
		at, left = at+size, left-cost
	}
	return append(quoted[:at:at], '"')
}

// step returns the size in bytes and in characters of what a JSON string goes on
// with.
func step(text []byte) (size, cost int) {
	switch {
	case text[0] == '\\' && text[1] == 'u':
		return 6, 6
	case text[0] == '\\':
		return 2, 2
	}
	_, size = utf8.DecodeRune(text)
	return size, length(text[:size])
}
