package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"daybook.dev/sink/internal/jsonscan"
)

func tokens(text string) (all []string) {
	for token := range jsonscan.Tokens([]byte(text)) {
		all = append(all, string(token))
	}
	return all
}

func TestTokensAreFoundInOrder(t *testing.T) {
	got := tokens(`{"a\"b" : [1,-2.5e+7 , true,null, "\\", "" ],"c":{}}`)
	want := []string{"{", `"a\"b"`, "[", "1", "-2.5e+7", `"\\"`, `""`, "]", `"c"`, "{", "}", "}"}
	if !slices.Equal(got, want) {
		t.Errorf("tokens: %q\nwant    %q", got, want)
	}
}

func TestEscapesAreFoundInOrder(t *testing.T) {
	var got []string
	for escape := range jsonscan.Escapes([]byte(`"a\\u0000\u0000\"b"`)) {
		got = append(got, string(escape))
	}
	want := []string{`\\u0000\u0000\"b"`, `\u0000\"b"`, `\"b"`}
	if !slices.Equal(got, want) {
		t.Errorf("escapes: %q\nwant     %q", got, want)
	}
}

// The tokens of valid texts are those of Go's own decoder; on any text the walk
// ends within it.
func FuzzTokens(f *testing.F) {
	for _, text := range []string{`{"a\"b":[1,-2.5e+7,true,null,"\\",""],"c":{}}`, `"\`, `"`, `1e`, `[[`, "", `"\u12`, "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got []string
		for token := range jsonscan.Tokens(text) {
			got = append(got, string(token))
			if token[0] == '"' {
				for range jsonscan.Escapes(token) {
				}
			}
		}
		if !json.Valid(text) {
			return
		}
		var want []string
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		for {
			token, err := decoder.Token()
			if err != nil {
				break
			}
			switch v := token.(type) {
			case json.Delim:
				want = append(want, v.String())
			case json.Number:
				want = append(want, v.String())
			case string:
				want = append(want, "string")
			}
		}
		for i, token := range got {
			if strings.HasPrefix(token, `"`) {
				got[i] = "string"
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("tokens of %q: %q, want %q", text, got, want)
		}
	})
}
