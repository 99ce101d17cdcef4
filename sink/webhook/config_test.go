package webhook_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/webhook"
)

func TestConfigurationsThatCannotBeRight(t *testing.T) {
	sized := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, c := range []struct {
		name, field string
		change      func(*webhook.Config)
	}{
		{"no address", "url", func(c *webhook.Config) { c.URL = "" }},
		{"an address that is none", "url", func(c *webhook.Config) { c.URL = "hooks.example.com/in" }},
		{"a private address", "url", func(c *webhook.Config) { c.URL = "http://10.0.0.1/in" }},
		{"a form that does not exist", "form", func(c *webhook.Config) { c.Form = "xml" }},
		{"a secret without its prefix", "secrets[0]", func(c *webhook.Config) { c.Secrets = []string{"b2xkLXNlY3JldC1vZi10d2VudHktZm91ci1ieXRlcw=="} }},
		{"a secret that is not base64", "secrets[1]", func(c *webhook.Config) { c.Secrets = []string{newSecret, "whsec_not base64 of anything at all"} }},
		{"a secret that is too short", "secrets[0]", func(c *webhook.Config) { c.Secrets = []string{sized(23)} }},
		{"a secret that is too long", "secrets[0]", func(c *webhook.Config) { c.Secrets = []string{sized(65)} }},
		{"an empty secret", "secrets[0]", func(c *webhook.Config) { c.Secrets = []string{""} }},
		{"a header that is ours", "header", func(c *webhook.Config) { c.Header = map[string]string{"webhook-ID": token} }},
		{"a header that is HTTP's", "header", func(c *webhook.Config) { c.Header = map[string]string{"host": token} }},
		{"a header without a name", "header", func(c *webhook.Config) { c.Header = map[string]string{"": token} }},
		{"a header with a name that is none", "header", func(c *webhook.Config) { c.Header = map[string]string{"x y": token} }},
		{"a header in two spellings", "header", func(c *webhook.Config) { c.Header = map[string]string{"x-a": token, "X-A": token} }},
		{"a header with a line break", "header", func(c *webhook.Config) { c.Header = map[string]string{"x": token + "\r\ny: z"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := webhook.Config{URL: "https://hooks.example.com/in"}
			c.change(&config)
			_, err := webhook.Open(config)
			e, _ := errors.AsType[*daybook.Error](err)
			if e == nil || e.Code != daybook.Invalid || e.Where != "webhook" || e.Field != c.field {
				t.Fatalf("error is %#v, want an invalid %s", err, c.field)
			}
			sinktest.CheckText(t, err, append(hidden, config.Secrets...)...)
		})
	}
	for _, good := range []webhook.Config{
		{URL: "https://hooks.example.com"},
		{URL: "https://user:pass@hooks.example.com:8443/in?key=1", Secrets: []string{sized(24), sized(64)}, Header: map[string]string{"Authorization": "Bearer x"}},
	} {
		s, err := webhook.Open(good)
		if err != nil {
			t.Fatal(err)
		}
		s.Close(t.Context())
	}
}
