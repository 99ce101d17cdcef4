package attrs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxDepth is how deep groups may nest; the gateway refuses what is deeper than
// 64 levels. What is deeper becomes null.
const maxDepth = 60

// appendValue appends a value in the form slog's own JSON handler gives it.
func (o *Object) appendValue(dst []byte, v slog.Value, depth int) []byte {
	switch v.Kind() {
	case slog.KindString:
		return o.appendText(dst, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10)
	case slog.KindFloat64:
		return o.appendFloat(dst, v.Float64())
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(dst, int64(v.Duration()), 10)
	case slog.KindTime:
		return o.appendTime(dst, v.Time())
	case slog.KindGroup:
		if depth >= maxDepth {
			o.Replaced++
			return append(dst, "null"...)
		}
		return o.appendGroup(dst, v.Group(), depth+1)
	case slog.KindLogValuer:
		return o.appendValue(dst, o.resolve(v), depth)
	default:
		return o.appendAny(dst, v.Any())
	}
}

// resolve asks a LogValuer for its value. Value.Resolve would put the stack of
// a panic into the event: paths and names of code that are nobody's business.
func (o *Object) resolve(v slog.Value) (resolved slog.Value) {
	defer func() {
		if recover() != nil {
			o.Replaced++
			resolved = slog.StringValue("!PANIC: LogValue")
		}
	}()
	const enough = 100 // as in slog
	for range enough {
		if v.Kind() != slog.KindLogValuer {
			return v
		}
		v = v.LogValuer().LogValue()
	}
	o.Replaced++
	return slog.StringValue("!ERROR: LogValue called too many times")
}

// appendFloat follows encoding/json: the shortest text that is read back as
// the same number, with an exponent only where it is far from one.
func (o *Object) appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		o.Replaced++
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

func (o *Object) appendTime(dst []byte, t time.Time) []byte {
	if y := t.Year(); y < 0 || y >= 10000 {
		o.Replaced++
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendAny appends what only its own methods or reflection can write. The
// value is the caller's, and so are its methods: they may do anything.
func (o *Object) appendAny(dst []byte, v any) (out []byte) {
	start := len(dst)
	defer func() {
		if recover() != nil {
			o.Replaced++
			out = o.appendText(dst[:start], fmt.Sprintf("!PANIC: %T", v))
		}
	}()
	if _, ok := v.(json.Marshaler); !ok {
		if err, ok := v.(error); ok {
			return o.appendText(dst, err.Error())
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		o.Replaced++
		return o.appendText(dst, "!ERROR: "+err.Error())
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// appendText appends s as a JSON text. Bytes that are not UTF-8 become U+FFFD:
// the gateway would refuse the whole event for them.
func (o *Object) appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if plain(s) {
		dst = append(dst, s...)
	} else {
		dst = o.appendEscaped(dst, s)
	}
	return append(dst, '"')
}

// plain reports whether s stands for itself in JSON.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (o *Object) appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				o.Replaced++
			}
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return dst
}

// AppendText appends s as a JSON text; what is not UTF-8 becomes U+FFFD.
func AppendText(dst []byte, s string) []byte {
	var o Object
	return o.appendText(dst, s)
}
