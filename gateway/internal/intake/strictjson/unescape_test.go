package strictjson_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/strictjson"
)

func TestUnescapeWritesTheShortestFormOfTheSameValue(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1}`:                      `{"a":1}`,
		`{"\u0061":"\u00e9\/\u2028"}`:  `{"a":"é/` + "\u2028" + `"}`,
		`"\ud83d\ude00\u007f"`:         `"😀` + "\x7f" + `"`,
		`"\u0022\u005c\"\\"`:           `"\"\\\"\\"`,
		`"\u000a\n\u0001\u001F\u0000"`: `"\n\n\u0001\u001f\u0000"`,
		`["\\u0041","\b\f\r\t"]`:       `["\\u0041","\b\f\r\t"]`,
		`"x\\"`:                        `"x\\"`,
	} {
		if got := string(strictjson.Unescape([]byte(in))); got != want {
			t.Errorf("Unescape(%s) = %s, want %s", in, got, want)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add([]byte(`{"a":"\u00e9\ud83d\ude00\n","b":["\\",1e400]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s strictjson.Scanner
		s.Reset(text)
		compact := s.AppendValue(nil, 64)
		s.End()
		if s.Broken().Is() || s.Flaw().Is() {
			return
		}
		want := jsontext.Value(append([]byte{}, compact...))
		if err := want.Format(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false),
			jsontext.PreserveRawStrings(false)); err != nil {
			t.Fatal(err)
		}
		if got := strictjson.Unescape(compact); string(got) != string(want) {
			t.Errorf("Unescape = %s, jsontext writes %s", got, want)
		}
	})
}
