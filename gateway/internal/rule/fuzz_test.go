package rule_test

import (
	"testing"
	"unicode/utf8"

	"daybook.dev/gateway/internal/rule"
)

// Whatever somebody writes as an expression, and whatever an event holds, it is
// refused with a sentence or says yes or no.
func FuzzMatch(f *testing.F) {
	for _, expression := range []string{
		`metadata.plan == "pro"`, `metadata.list.exists(e, e.k == 2) || has(metadata.a.b)`, `event_name.matches("a+")`,
		`metadata.a == {"x": [1, 2.0, null]}`, `size(metadata.map(k, metadata[k])) > 3`, `string(metadata.n) + "x" in metadata`, `event_ts`,
	} {
		f.Add(expression, []byte(`{"plan":"pro","list":[{"k":2}],"a":{"b":1e999},"n":18446744073709551615}`))
		f.Add(expression, []byte(`{"a":{"x":[1,2,null]},"a":1,`))
	}
	f.Fuzz(func(t *testing.T, expression string, metadata []byte) {
		m, err := rule.Compile(expression)
		if err != nil {
			if text := err.Error(); text == "" || utf8.ValidString(expression) && !utf8.ValidString(text) {
				t.Errorf("%q: %q", expression, text)
			}
			return
		}
		r := login()
		r.Event.Metadata = metadata
		if first := m.Matches(r); first != m.Matches(r) {
			t.Errorf("%q changes its mind about %q", expression, metadata)
		}
	})
}
