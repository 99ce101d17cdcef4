package wirejson

import (
	"math"
	"strconv"
)

// appendQuoted appends b, which is UTF-8, as a JSON string with no escape that is
// not needed.
func appendQuoted(dst, b []byte) []byte {
	dst = append(dst, '"')
	plain := 0 // what lies before it has been written
	for i, c := range b {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, b[plain:i]...)
		plain = i + 1
		if short := shortEscapes[c]; short != 0 {
			dst = append(dst, '\\', short)
			continue
		}
		const hex = "0123456789abcdef"
		dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
	}
	dst = append(dst, b[plain:]...)
	return append(dst, '"')
}

// shortEscapes are the characters that follow a backslash instead of \u00XX.
var shortEscapes = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// appendDouble appends n with as many digits as it takes to read it back; what
// JSON has no number for is a string.
func appendDouble(dst []byte, n float64) []byte {
	switch {
	case math.IsNaN(n):
		return append(dst, `"NaN"`...)
	case math.IsInf(n, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(n, -1):
		return append(dst, `"-Infinity"`...)
	}
	const exact = 1 << 53 // below it whole numbers are written the same as integers, and much faster
	if whole := int64(n); math.Abs(n) < exact && float64(whole) == n && (whole != 0 || !math.Signbit(n)) {
		return strconv.AppendInt(dst, whole, 10)
	}
	if magnitude := math.Abs(n); n == 0 || magnitude >= 1e-6 && magnitude < 1e21 {
		return strconv.AppendFloat(dst, n, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, n, 'e', -1, 64)
	if end := len(dst); dst[end-2] == '0' && dst[end-3] == '-' { // e-09 is written e-9; e+21 has no zero to lose
		dst[end-2] = dst[end-1]
		dst = dst[:end-1]
	}
	return dst
}
