package object_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"daybook.dev/sink/internal/object"
)

func TestWithout(t *testing.T) {
	const text = `{"a":1,"b":{"a":["}",{"c":"\\"}]},"\u0063":"\"","":[],"d":null}`
	for _, c := range []struct{ drop, want string }{
		{"", text},
		{"a", `{"b":{"a":["}",{"c":"\\"}]},"\u0063":"\"","":[],"d":null}`},
		{"b", `{"a":1,"\u0063":"\"","":[],"d":null}`},
		{"c", `{"a":1,"b":{"a":["}",{"c":"\\"}]},"":[],"d":null}`},
		{"d", `{"a":1,"b":{"a":["}",{"c":"\\"}]},"\u0063":"\"","":[]}`},
		{"a b c d", `{"":[]}`},
	} {
		dropped := strings.Fields(c.drop)
		got := object.Without([]byte("before"+text), len("before"), func(name []byte) bool {
			return slices.Contains(dropped, string(name))
		})
		if string(got) != "before"+c.want {
			t.Errorf("without %q: %s, want %s", c.drop, got, c.want)
		}
	}
}

// FuzzMembers compares with encoding/json, which reads the same objects.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":1}`, ` { "a" : [ "}" , { "\"" : "\\" } ] , "" : -1.5e3 } `, `{"a":true,"b":null,"c":{}}`, `[]`, `{"a":1,"a":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		compact, err := object.AppendCompact(nil, text)
		if err != nil || compact[0] != '{' {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(compact, &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]json.RawMessage{}
		for name, value := range object.Members(compact) {
			var key string
			if err := json.Unmarshal(name, &key); err != nil {
				t.Fatalf("the name %q: %v", name, err)
			}
			got[key] = value
		}
		if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Errorf("got %q, want %q", got, want)
		}
		if same := object.Without(bytes.Clone(compact), 0, func([]byte) bool { return false }); !bytes.Equal(same, compact) {
			t.Errorf("without nothing: %q, want %q", same, compact)
		}
		if none := object.Without(compact, 0, func([]byte) bool { return true }); string(none) != "{}" {
			t.Errorf("without everything: %q", none)
		}
	})
}
