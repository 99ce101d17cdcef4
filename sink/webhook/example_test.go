package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"daybook.dev"
	"daybook.dev/sink/webhook"
)

// verify returns nil when somebody who knows one of the secrets has sent body,
// not long ago. It is all that a receiver without a library needs.
func verify(secrets []string, header http.Header, body []byte, now time.Time) error {
	const tolerance = 5 * time.Minute
	id, timestamp := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || err != nil {
		return errors.New("webhook: no id, or no timestamp")
	}
	// An old request may be somebody else's, who has recorded it.
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return errors.New("webhook: the timestamp is not of now")
	}
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			return errors.New("webhook: a secret is not base64")
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		want := mac.Sum(nil)
		for signature := range strings.SplitSeq(header.Get("Webhook-Signature"), " ") {
			text, ok := strings.CutPrefix(signature, "v1,")
			got, err := base64.StdEncoding.DecodeString(text)
			// hmac.Equal takes as long whether the first byte differs or the last.
			if ok && err == nil && hmac.Equal(got, want) {
				return nil
			}
		}
	}
	return errors.New("webhook: no signature is right")
}

// A receiver checks the signature before it believes anything, answers 2xx when
// it has kept the events, and 4xx only to what it will never take.
func Example() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		if err := verify([]string{secret}, r.Header, body, time.Now()); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Printf("%s\n", body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()

	ctx := context.Background()
	hook, err := webhook.Open(webhook.Config{URL: receiver.URL, Secrets: []string{secret}, AllowPrivate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hook.Close(ctx)
	err = hook.Write(ctx, []daybook.Event{{
		ID: "order-1", Name: "order-paid", Type: daybook.Behavioral, Actor: "ann",
		Time: time.Date(2026, time.November, 21, 9, 35, 43, 0, time.UTC), Metadata: []byte(`{"cents":1299}`),
	}})
	fmt.Println(err)
	// Output:
	// [{"event_id":"order-1","event_time":"2026-11-21T09:35:43Z","event_type":"behavioral","event_name":"order-paid","actor_id":"ann","cents":1299}]
	// <nil>
}
