package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/webhook"
)

func TestSignatures(t *testing.T) {
	for _, c := range []struct {
		name, id, timestamp, body string
		secrets                   []string
		want                      string
	}{
		{
			"the vector that implementations of Standard Webhooks share",
			"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`,
			[]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		},
		{
			"two secrets sign in the order of the configuration", "a", "1", "",
			[]string{newSecret, oldSecret},
			"v1,5Aj0iqql/iK8rX5iViaJEC0MOm0nVrNWXX10Dhn2bto= v1,vPySvYhVEq2LDSj/hkMoni8WEIZl7XCcwPZggptjQ1E=",
		},
		{"no secrets, no signature", "a", "1", "x", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := webhook.Sign(t, c.secrets, c.id, c.timestamp, []byte(c.body)); got != c.want {
				t.Errorf("signature is %q, want %q", got, c.want)
			}
		})
	}
}

// TestTheExampleIsStrict makes sure that the receiver of the example, which
// people will copy, refuses what it should.
func TestTheExampleIsStrict(t *testing.T) {
	now := time.Now()
	r := newReceiver(t, webhook.Array)
	if err := open(t, r.URL, nil).Write(t.Context(), sinktest.Events("e", 2)); err != nil {
		t.Fatal(err)
	}
	good := r.received()[0]
	for _, c := range []struct {
		name    string
		secrets []string
		change  func(http.Header)
		body    string
		later   time.Duration
		ok      bool
	}{
		{name: "as it was sent", ok: true},
		{name: "with both secrets known", secrets: []string{oldSecret, newSecret}, ok: true},
		{name: "with only the new secret known", secrets: []string{newSecret}, ok: true},
		{name: "with only one signature left", change: func(h http.Header) {
			h.Set("Webhook-Signature", strings.Fields(h.Get("Webhook-Signature"))[1])
		}, ok: true},
		{name: "four minutes later", later: 4 * time.Minute, ok: true},
		{name: "six minutes later", later: 6 * time.Minute},
		{name: "six minutes too early", later: -6 * time.Minute},
		{name: "with another secret", secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
		{name: "with another body", body: "[]"},
		{name: "with another id", change: func(h http.Header) { h.Set("Webhook-Id", "other") }},
		{name: "without an id", change: func(h http.Header) { h.Del("Webhook-Id") }},
		{name: "with another timestamp", change: func(h http.Header) { h.Set("Webhook-Timestamp", "1") }, later: time.Unix(1, 0).Sub(now)},
		{name: "without a timestamp", change: func(h http.Header) { h.Del("Webhook-Timestamp") }},
		{name: "without a signature", change: func(h http.Header) { h.Del("Webhook-Signature") }},
		{name: "with an empty signature", change: func(h http.Header) { h.Set("Webhook-Signature", "v1,") }},
		{name: "with a signature of another version", change: func(h http.Header) {
			h.Set("Webhook-Signature", strings.ReplaceAll(h.Get("Webhook-Signature"), "v1,", "v2,"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, body, secrets := good.header.Clone(), good.body, c.secrets
			if c.change != nil {
				c.change(header)
			}
			if c.body != "" {
				body = []byte(c.body)
			}
			if secrets == nil {
				secrets = []string{oldSecret}
			}
			if err := verify(secrets, header, body, now.Add(c.later)); (err == nil) != c.ok {
				t.Errorf("verify says %v", err)
			}
		})
	}
}
