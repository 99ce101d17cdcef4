package serve

import (
	"fmt"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

// benchRules are n rules of the usual kinds, of which none matches the event of
// BenchmarkRules.
func benchRules(n int) []Rule {
	kinds := []string{
		`event_name.startsWith("debug-")`, `event_type == "metric"`, `metadata.plan == "internal"`, `caller == "legacy"`,
		`event_name.matches("^(ping|pong)-")`,
	}
	var rules []Rule
	for i := range n {
		rules = append(rules, Rule{Name: fmt.Sprint("r", i), Match: kinds[i%len(kinds)], Drop: true})
	}
	return rules
}

// BenchmarkRules is what an event costs on its way through admit: without any
// rules, with three redactions that find something, with ten rules that do not
// match, and with both.
func BenchmarkRules(b *testing.B) {
	redact := []Redaction{
		{Field: "metadata.email", With: "hash", Key: "a key of some length"}, {Field: "metadata.page.referrer", With: "mask"}, {Field: "metadata.session", With: "remove"},
	}
	for name, c := range map[string]Config{
		"none":         {},
		"3 redactions": {Redact: redact},
		"10 rules":     {Rules: benchRules(10)},
		"both":         {Redact: redact, Rules: benchRules(10)},
		"a sample":     {Rules: []Rule{{Sample: 0.5}}},
	} {
		b.Run(name, func(b *testing.B) {
			rules, problems := compileRules(c.withDefaults(), nil, watch{})
			if len(problems) > 0 {
				b.Fatal(problems)
			}
			a := &admit.Admitter{}
			a.Rules.Store(rules)
			from := admit.Origin{Caller: "checkout", Protocol: "http", Instance: "here"}
			r := new(store.Record)
			b.ReportAllocs()
			for b.Loop() {
				*r = store.Record{}
				s := admit.Submission{Event: daybook.Event{
					ID: "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c7d8e", Name: "checkout-completed", Type: daybook.Behavioral, Actor: "user-18273645", Metadata: benchMetadata,
				}}
				if v := a.Admit(s, from, r); v.Refusal != nil || r.Event.ID == "" {
					b.Fatal(v.Refusal)
				}
			}
		})
	}
}

var benchMetadata = []byte(`{"session":"0b6f0f6e-5d0b-4a44-9c62-6d1c5f6d9c1e","email":"ann@example.com","country":"DE","plan":"pro","amount":12.50,"currency":"EUR",` +
	`"page":{"url":"https://shop.example/cart","title":"Your cart","referrer":"https://search.example/?q=shoes"},` +
	`"items":[{"sku":"A-1","n":1},{"sku":"B-22","n":3}],"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","experiment":{"checkout":"b"}}`)
