// Package rfc3339 reads times as every intake takes them.
package rfc3339

import "time"

// Parse parses a time of RFC 3339 exactly: no blank for the T, no leap
// second and no comma, which RFC 3339 leaves to agreement or Go cannot express,
// and no digits beyond nanoseconds, which could not be kept. What is wrong
// follows the member's name in a sentence.
func Parse(text []byte) (t time.Time, problem string) {
	const notRFC3339 = " is not a time of RFC 3339, such as 2026-01-31T12:00:00.5Z"
	const date = len("2006-01-02T15:04:05")
	if len(text) <= date || !shape(text) {
		return t, notRFC3339
	}
	year, month, day := 100*pair(text)+pair(text[2:]), pair(text[5:]), pair(text[8:])
	hour, minute, second := pair(text[11:]), pair(text[14:]), pair(text[17:])
	nanos, rest, problem := fraction(text[date:])
	if problem != "" {
		return t, problem
	}
	offset, ok := zone(rest)
	if !ok {
		return t, notRFC3339
	}
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return t, " names no time that exists"
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if t.Day() != day { // 30 February: Go went on into March
		return t, " names no time that exists"
	}
	return t.Add(-offset), ""
}

// shape reports whether text begins as 2006-01-02T15:04:05 does.
func shape(text []byte) bool {
	for i, want := range []byte("0000-00-00T00:00:00") {
		c := text[i]
		switch {
		case want == '0' && c-'0' <= 9, c == want, want == 'T' && c == 't':
		default:
			return false
		}
	}
	return true
}

// pair is the value of the two digits that b begins with.
func pair(b []byte) int { return 10*int(b[0]-'0') + int(b[1]-'0') }

// fraction parses the decimals of a second, where there are any.
func fraction(b []byte) (nanos int, rest []byte, problem string) {
	if b[0] != '.' {
		return 0, b, ""
	}
	n := 1
	for ; n < len(b) && b[n]-'0' <= 9; n++ {
		if n > 9 {
			return 0, nil, " is more precise than nanoseconds"
		}
		nanos = 10*nanos + int(b[n]-'0')
	}
	if n == 1 {
		return 0, nil, " has no digit after its decimal point"
	}
	for range 10 - n {
		nanos *= 10
	}
	return nanos, b[n:], ""
}

// zone parses Z or an offset such as +02:00.
func zone(b []byte) (offset time.Duration, ok bool) {
	if len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if len(b) != len("+00:00") || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if b[i]-'0' > 9 {
			return 0, false
		}
	}
	hours, minutes := pair(b[1:]), pair(b[4:])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}
