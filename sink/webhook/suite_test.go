package webhook_test

import (
	"testing"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/webhook"
)

func target(c webhook.Config) func(t *testing.T) sinktest.Target {
	return func(t *testing.T) sinktest.Target {
		r := newReceiver(t, c.Form)
		s := open(t, r.URL, func(given *webhook.Config) { given.Form, given.Gzip = c.Form, c.Gzip })
		return sinktest.Target{Sink: s, Arrived: r.list, Break: r.breakIt, Mend: r.mend, Hang: r.hangIt, Secrets: hidden}
	}
}

// poisonous makes an event that the receiver does not take.
func poisonous(e daybook.Event) daybook.Event {
	e.Name = "poison"
	return e
}

// unwritable makes an event that has no encoding.
func unwritable(e daybook.Event) daybook.Event {
	e.Metadata = []byte(`{"secret":"` + sinktest.Canary + `","secret":2}`)
	return e
}

func TestSuite(t *testing.T) {
	traits := sinktest.Traits{Ordered: true, ExactNumbers: true}
	t.Run("array", func(t *testing.T) {
		traits.Bad = poisonous
		sinktest.Run(t, target(webhook.Config{Form: webhook.Array}), traits)
	})
	t.Run("lines gzipped", func(t *testing.T) {
		traits.Partial, traits.Bad = true, unwritable
		sinktest.Run(t, target(webhook.Config{Form: webhook.Lines, Gzip: true}), traits)
	})
	t.Run("single", func(t *testing.T) {
		traits.Partial, traits.Bad = true, poisonous
		sinktest.Run(t, target(webhook.Config{Form: webhook.Single}), traits)
	})
}
