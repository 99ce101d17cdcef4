package intake

import "github.com/go-json-experiment/json/jsontext"

// AppendQuoted appends s as a JSON string.
func AppendQuoted(dst []byte, s string) []byte {
	mark := len(dst)
	dst = append(dst, '"')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := jsontext.AppendQuote(dst[:mark], s) // its error says that it replaced invalid UTF-8
			return quoted
		}
	}
	dst = append(dst, s...)
	return append(dst, '"')
}
