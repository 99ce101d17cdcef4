package cloudevents_test

import (
	"net/http"
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
)

// FuzzHandler holds what must be true of any body and any header at all.
func FuzzHandler(f *testing.F) {
	for _, folder := range intaketest.Cases(f, "cloudevents") {
		r := intaketest.Request(f, folder)
		body := make([]byte, r.ContentLength)
		if _, err := r.Body.Read(body); err != nil && len(body) > 0 {
			f.Fatal(err)
		}
		f.Add(r.Header.Get("Content-Type"), r.Header.Get("Ce-Subject"), body)
	}
	f.Fuzz(func(t *testing.T, contentType, subject string, body []byte) {
		s := &intaketest.Recorder{}
		header := http.Header{
			"Content-Type": {contentType}, "Ce-Subject": {subject}, "Ce-Extension": {subject},
			"Ce-Specversion": {"1.0"}, "Ce-Id": {"e1"}, "Ce-Source": {"/orders"}, "Ce-Type": {"order.paid"},
		}
		w := postWith(newHandler(s), string(body), header)
		intaketest.CheckAnswer(t, w, s)
	})
}
