package plainhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/plainhttp"
	"daybook.dev/gateway/internal/store"
)

// newHandler returns a handler in front of s, with ids and times that are the
// same in every run.
func newHandler(s store.Store) *plainhttp.Handler {
	ids := 0
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{
			Now:   func() time.Time { return intaketest.Noon },
			NewID: func() string { ids++; return fmt.Sprintf("id-%d", ids) },
		},
		Store: s, Instance: "test",
	}
	return &plainhttp.Handler{Door: intake.Door{Accept: accepter.Accept, Body: &intake.Body{}, Durability: s.Durability()}}
}

func post(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, plainhttp.Path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
