package serve

import (
	"encoding/json"
	"fmt"
	"reflect"

	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

// An expectedEvent is what is expected. What is left out may be anything.
type expectedEvent struct {
	Status     string         `json:"status"`
	Reason     *string        `json:"reason"`
	Rule       *string        `json:"rule"` // "" = none
	Field      *string        `json:"field"`
	Actor      *string        `json:"actor_id"`
	SampleRate *float64       `json:"sample_rate"`
	Metadata   map[string]any `json:"metadata"`
}

// expectable are the words of expectations.
var expectable = []string{"stored", "dropped", "refused", "quarantined"}

// anything stands for a value that a test does not know, such as a hash.
const anything = "<any>"

// statusOf is the word for what became of an event.
func statusOf(v admit.Verdict, r *store.Record) (status, reason string) {
	switch {
	case v.Refusal != nil && r.Kind == store.KindRefused:
		return "quarantined", v.Refusal.Reason
	case v.Refusal != nil:
		return "refused", v.Refusal.Reason
	case v.Dropped != "":
		return "dropped", v.Dropped
	}
	return "stored", ""
}

func became(v admit.Verdict, r *store.Record) string {
	status, reason := statusOf(v, r)
	text := status
	if reason != "" {
		text += " (" + reason + ")"
	}
	if v.Rule != "" {
		text += " by " + v.Rule
	}
	return text
}

// differences are what is not as expected, as it was expected.
func (e *expectedEvent) differences(v admit.Verdict, r *store.Record) (wrong []string) {
	status, reason := statusOf(v, r)
	if e.Status != status {
		wrong = append(wrong, e.Status)
	}
	field := ""
	if v.Refusal != nil {
		field = v.Refusal.Field
	}
	for _, text := range []struct {
		name string
		want *string
		got  string
	}{{"reason", e.Reason, reason}, {"rule", e.Rule, v.Rule}, {"field", e.Field, field}, {"actor_id", e.Actor, r.Event.Actor}} {
		if text.want != nil && *text.want != text.got && !(*text.want == anything && text.got != "") {
			wrong = append(wrong, fmt.Sprintf("%s %q, not %q", text.name, *text.want, text.got))
		}
	}
	rate := r.Event.SampleRate
	if rate == 0 {
		rate = 1
	}
	if e.SampleRate != nil && *e.SampleRate != rate {
		wrong = append(wrong, fmt.Sprintf("sample_rate %v, not %v", *e.SampleRate, rate))
	}
	if e.Metadata != nil && !sameJSON(e.Metadata, r.Event.Metadata) {
		want, _ := json.Marshal(e.Metadata)
		wrong = append(wrong, fmt.Sprintf("metadata %s, not %s", want, orNone(r.Event.Metadata)))
	}
	return wrong
}

func orNone(metadata []byte) []byte {
	if len(metadata) == 0 {
		return []byte("none")
	}
	return metadata
}

// sameJSON reports whether metadata is as expected, whatever the order of its
// members.
func sameJSON(want map[string]any, metadata []byte) bool {
	if len(metadata) == 0 {
		metadata = []byte("{}")
	}
	text, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var a, b any
	return json.Unmarshal(text, &a) == nil && json.Unmarshal(metadata, &b) == nil && fits(a, b)
}

// fits reports whether got is want, in which "<any>" is anything.
func fits(want, got any) bool {
	switch w := want.(type) {
	case string:
		return w == anything || w == got
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name, value := range w {
			other, there := g[name]
			if !there || !fits(value, other) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !fits(w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(want, got)
}
