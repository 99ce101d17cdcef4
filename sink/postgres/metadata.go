package postgres

import (
	"bytes"
	"strconv"

	"daybook.dev/sink/internal/jsonscan"
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

// examine says what jsonb makes of a valid JSON text.
func examine(text []byte) fidelity {
	worst, depth := same, 0
	for token := range jsonscan.Tokens(text) {
		switch token[0] {
		case '"':
			for escape := range jsonscan.Escapes(token) {
				if bytes.HasPrefix(escape, []byte(`\u0000`)) {
					return refused
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			worst = max(worst, examineNumber(token))
		}
		if worst == refused || depth > maxNesting {
			return refused
		}
	}
	return worst
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
