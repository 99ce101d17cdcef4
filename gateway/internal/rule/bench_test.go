package rule_test

import (
	"testing"

	"daybook.dev/gateway/internal/store"
)

// A rule is asked about every event that is delivered.
func BenchmarkMatches(b *testing.B) {
	r := login()
	r.Event.Metadata = []byte(`{"session":"0b6f0f6e-5d0b-4a44-9c62-6d1c5f6d9c1e","country":"DE","plan":"pro","amount":12.50,"currency":"EUR",` +
		`"page":{"url":"https://shop.example/cart","title":"Your cart","referrer":"https://search.example/?q=shoes"},` +
		`"items":[{"sku":"A-1","n":1},{"sku":"B-22","n":3}],"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","experiment":{"checkout":"b"}}`)
	for name, expression := range map[string]string{
		"a type":               `event_type == "behavioral"`,
		"a name's beginning":   `event_name.startsWith("login-")`,
		"two of the event":     `event_type == "behavioral" && actor_id != ""`,
		"a pattern":            `event_name.matches("^log(in|out)-")`,
		"a member":             `metadata.plan == "pro"`,
		"a member of a member": `metadata.experiment.checkout == "b"`,
		"an absent member":     `metadata.nothing == "b"`,
		"a loop":               `metadata.items.exists(i, i.sku == "B-22")`,
	} {
		b.Run(name, func(b *testing.B) {
			m := compile(b, expression)
			b.ReportAllocs()
			for b.Loop() {
				m.Matches(r)
			}
		})
	}
	b.Run("two of the event, at once", func(b *testing.B) {
		m := compile(b, `event_type == "behavioral" && actor_id != ""`)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			own := store.Record{Event: r.Event}
			for pb.Next() {
				m.Matches(&own)
			}
		})
	})
}

func BenchmarkApply(b *testing.B) {
	p := compileSend(b, "metadata.plan", "metadata.page.url")
	r := login()
	b.ReportAllocs()
	for b.Loop() {
		e := r.Outgoing()
		p.Apply(&e)
	}
}
