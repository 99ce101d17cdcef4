package telemetrygateway

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/wirejson"
)

// notText stands for the value of an allowed key that is no text. Only texts may
// leave: whoever listed the key thought of one, and not of what could be inside an
// object.
const notText = "left out: not a string"

// The numbers of google.protobuf.Struct, of its map's entries, and of Value.
const (
	structFields protowire.Number = 1
	entryKey     protowire.Number = 1
	entryValue   protowire.Number = 2
	valueNull    protowire.Number = 1 // the first of a oneof …
	valueText    protowire.Number = 3
	valueList    protowire.Number = 6 // … and the last
)

// appendPrivate appends, as an object, those members of a Struct whose keys are
// allowed, sorted as the keys are; nothing where there are none. What is not
// allowed is not looked into.
func appendPrivate(dst, private []byte, allowed []string) ([]byte, error) {
	begin := len(dst)
	for _, key := range allowed {
		value, found, err := valueOf(private, key)
		if err != nil {
			return dst, err
		}
		if !found {
			continue
		}
		if len(dst) == begin {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		text := textOr(value, notText)
		if len(dst)-begin+len(text) > maxEventBytes {
			return dst, wirejson.ErrTooLong
		}
		dst = append(intake.AppendQuoted(dst, key), ':')
		dst = intake.AppendQuoted(dst, text)
	}
	if len(dst) > begin {
		dst = append(dst, '}')
	}
	return dst, nil
}

// valueOf returns the value that a Struct has under a key: the last one.
func valueOf(private []byte, key string) (value []byte, found bool, err error) {
	for entry := range wirejson.Elements(private, structFields) {
		name, of, ok := structEntry(entry)
		if !ok {
			return nil, false, wirejson.ErrMalformed
		}
		if string(name) == key {
			value, found = of, true
		}
	}
	return value, found, nil
}

// structEntry reads an entry of a Struct. A value in several parts is taken for
// none: it cannot be a text that somebody has written.
func structEntry(b []byte) (key, value []byte, ok bool) {
	for len(b) > 0 {
		n, wire, size := protowire.ConsumeTag(b)
		if size < 0 {
			return nil, nil, false
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, wire, b); size < 0 {
			return nil, nil, false
		}
		if wire == protowire.BytesType {
			bytes, _ := protowire.ConsumeBytes(b)
			switch n {
			case entryKey:
				key = bytes
			case entryValue:
				value = bytes
			}
		}
		b = b[size:]
	}
	return key, value, true
}

// textOr returns the text of a Value, or otherwise where it holds none.
func textOr(value []byte, otherwise string) string {
	text := otherwise
	for len(value) > 0 {
		n, wire, size := protowire.ConsumeTag(value)
		if size < 0 {
			return otherwise
		}
		value = value[size:]
		if size = protowire.ConsumeFieldValue(n, wire, value); size < 0 {
			return otherwise
		}
		switch {
		case n == valueText && wire == protowire.BytesType:
			bytes, _ := protowire.ConsumeBytes(value)
			if text = string(bytes); !utf8.ValidString(text) {
				return otherwise
			}
		case n >= valueNull && n <= valueList:
			text = otherwise
		}
		value = value[size:]
	}
	return text
}
