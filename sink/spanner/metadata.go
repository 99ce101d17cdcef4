package spanner

import (
	"bytes"
	"encoding/json"
	"strconv"

	"daybook.dev"
	"daybook.dev/sink/internal/jsonscan"
)

// What one JSON value of Spanner can be.
const (
	maxDepth = 80       // objects and arrays within each other
	maxJSON  = 10 << 20 // bytes
)

// Storable returns nil when Spanner's JSON keeps what metadata means, and
// otherwise what it would change or refuse; the error's code is Invalid.
// Metadata is valid JSON, or nil for none.
//
// A number is kept when it is an integer of 64 bits, or equal to the shortest
// text of the double it is nearest to: 1.50 is, 0.1 is, 1e400 and
// 12345678901234567890.000 are not.
func Storable(metadata json.RawMessage) *daybook.Error {
	if len(metadata) > maxJSON {
		return unstorable("metadata_too_large", "the metadata has more than 10 MiB, which is the most that Spanner keeps")
	}
	depth := 0
	for token := range jsonscan.Tokens(metadata) {
		switch token[0] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return unstorable("too_deep", "the metadata nests more than 80 objects and arrays, which is the most that Spanner keeps")
			}
		case '}', ']':
			depth--
		case '"':
			if hasLoneSurrogate(token) {
				return unstorable("lone_surrogate", "the metadata has half of a surrogate pair, which Spanner does not keep")
			}
		default:
			if !keepsNumber(token) {
				return unstorable("numbers_not_storable", "the metadata has a number that Spanner would change: it keeps integers of 64 bits and doubles")
			}
		}
	}
	return nil
}

func unstorable(reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: "metadata", Reason: reason, Message: message}
}

// hasLoneSurrogate looks for a \u escape that is half of a pair.
func hasLoneSurrogate(token []byte) bool {
	var high []byte // the rest of the string behind the first half of a pair
	for escape := range jsonscan.Escapes(token) {
		n := surrogate(escape)
		switch {
		case high != nil && (n != lowHalf || len(escape) != len(high)):
			return true
		case high == nil && n == lowHalf:
			return true
		}
		high = nil
		if n == highHalf {
			high = escape[6:]
		}
	}
	return high != nil
}

const (
	noHalf = iota
	highHalf
	lowHalf
)

// surrogate says which half of a pair the escape at the beginning of s is.
func surrogate(s []byte) int {
	if len(s) < 6 || s[1] != 'u' || s[2] != 'd' && s[2] != 'D' {
		return noHalf
	}
	switch s[3] {
	case '8', '9', 'a', 'b', 'A', 'B':
		return highHalf
	case 'c', 'd', 'e', 'f', 'C', 'D', 'E', 'F':
		return lowHalf
	}
	return noHalf
}

// keepsNumber tells whether Spanner keeps the value of a number.
func keepsNumber(number []byte) bool {
	const exactDigits = 15 // of a double: every number of so many digits is its own shortest text
	integer := !bytes.ContainsAny(number, ".eE")
	switch {
	case string(number) == "-0":
		return false // an integer has no negative zero
	case len(number) <= exactDigits && !bytes.ContainsAny(number, "eE"):
		return true
	case integer && isInteger64(string(number)):
		return true
	}
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return false // beyond the largest
	}
	return sameValue(number, strconv.AppendFloat(nil, f, 'e', -1, 64))
}

func isInteger64(number string) bool {
	_, signed := strconv.ParseInt(number, 10, 64)
	_, unsigned := strconv.ParseUint(number, 10, 64)
	return signed == nil || unsigned == nil
}

// sameValue compares two numbers digit by digit.
func sameValue(a, b []byte) bool {
	da, ea, oka := decimal(a)
	db, eb, okb := decimal(b)
	return oka && okb && ea == eb && bytes.Equal(da, db)
}

// decimal returns a number as sign and digits without zeros at either end, and
// the power of ten that the point before the first digit stands for.
func decimal(number []byte) (digits []byte, exponent int, ok bool) {
	mantissa := number
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		n, err := strconv.Atoi(string(number[e+1:]))
		if err != nil {
			return nil, 0, false
		}
		mantissa, exponent = number[:e], n
	}
	sign := []byte{}
	if mantissa[0] == '-' {
		sign, mantissa = []byte{'-'}, mantissa[1:]
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte{'.'})
	all := append(bytes.Clone(whole), fraction...)
	exponent += len(whole)
	significant := bytes.TrimLeft(all, "0")
	exponent -= len(all) - len(significant)
	significant = bytes.TrimRight(significant, "0")
	if len(significant) == 0 {
		exponent = 0
	}
	return append(sign, significant...), exponent, true
}
