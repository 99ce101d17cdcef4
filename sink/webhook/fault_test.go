package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/internal/outbound/outboundtest"
	"daybook.dev/sink/webhook"
)

func faulty(form webhook.Form) outboundtest.Case {
	return outboundtest.Case{
		Open: func(url string, timeout time.Duration, allowPrivate bool) (daybook.Sink, error) {
			s, err := webhook.Open(webhook.Config{
				URL: url, Timeout: timeout, AllowPrivate: allowPrivate, Form: form,
				Secrets: []string{newSecret}, Header: map[string]string{"Authorization": "Bearer " + token},
			})
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Good:    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
		Secrets: hidden,
	}
}

func TestR13Faults(t *testing.T) {
	t.Run("array", faulty(webhook.Array).Faults)
	t.Run("single", faulty(webhook.Single).Faults)
}

func TestR29Addresses(t *testing.T) { faulty(webhook.Array).Addresses(t) }

func TestR30Canaries(t *testing.T) {
	t.Run("array", faulty(webhook.Array).Canaries)
	t.Run("single", faulty(webhook.Single).Canaries)
}
