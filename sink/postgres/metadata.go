package postgres

import (
	"bytes"
	"strconv"
)

// A fidelity says what jsonb makes of a JSON text.
type fidelity uint8

const (
	same    fidelity = iota // the same values
	altered                 // the same values, some of them written in another way
	refused                 // an error, or thousands of digits
)

const (
	// maxDigits bounds a number once it is written without exponent, as jsonb
	// does. The type itself ends at 131,072 digits, which every reader of a row
	// would be sent for the eight bytes 1e131071.
	maxDigits = 1000

	// maxNesting keeps clear of the server's stack, which ends somewhere in the
	// thousands.
	maxNesting = 1000
)

// examine says what jsonb makes of a valid JSON text. It looks at every byte
// once and allocates nothing.
func examine(text []byte) fidelity {
	worst, depth := same, 0
	for i := 0; i < len(text) && worst != refused && depth <= maxNesting; i++ {
		switch c := text[i]; c {
		case '"':
			n, nul := scanString(text[i+1:])
			if nul {
				return refused
			}
			i += n
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			n := scanNumber(text[i:])
			worst = max(worst, examineNumber(text[i:i+n]))
			i += n - 1
		}
	}
	if depth > maxNesting {
		return refused
	}
	return worst
}

// scanString returns the length of a string behind its opening quote, with the
// closing one, and whether it contains the character that jsonb cannot keep.
func scanString(s []byte) (n int, nul bool) {
	for {
		quote := bytes.IndexByte(s[n:], '"')
		if quote < 0 {
			return len(s), nul // no JSON; the server will say so
		}
		escape := bytes.IndexByte(s[n:n+quote], '\\')
		if escape < 0 {
			return n + quote + 1, nul
		}
		n += escape
		nul = nul || bytes.HasPrefix(s[n:], []byte(`\u0000`))
		n = min(n+2, len(s))
	}
}

// scanNumber returns the length of the number that s begins with.
func scanNumber(s []byte) int {
	for i, c := range s {
		switch {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return i
		}
	}
	return len(s)
}

func examineNumber(number []byte) fidelity {
	mantissa, exponent := number, 0
	e := bytes.IndexAny(number, "eE")
	if e >= 0 {
		mantissa = number[:e]
		n, err := strconv.Atoi(string(number[e+1:]))
		if err != nil {
			return refused // beyond every range
		}
		exponent = max(n, -n)
	}
	switch {
	case exponent > maxDigits || len(mantissa)+exponent > maxDigits:
		return refused
	case e >= 0, mantissa[0] == '-' && len(bytes.Trim(mantissa, "-0.")) == 0:
		return altered
	default:
		return same
	}
}
