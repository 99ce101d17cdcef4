package main

import (
	"strconv"
	"strings"
	"unicode"
)

// printable returns text with everything escaped that is not printed as it
// stands: what an event holds must not move the cursor or colour the screen of
// whoever looks at it.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !shows(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if shows(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func shows(r rune) bool { return r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) }
