package segment_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/segment"
	"daybook.dev/gateway/internal/store"
)

// newHandler is the intake in front of a store, with ids and times that are the
// same in every run.
func newHandler(s store.Store) *segment.Handler {
	var ids atomic.Int64
	noon := func() time.Time { return intaketest.Noon }
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{
			Now: noon, NewID: func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids.Add(1)) },
		},
		Store: s, Instance: "test",
	}
	return &segment.Handler{
		Door: intake.Door{
			Accept: accepter.Accept, Body: &intake.Body{Budget: intake.NewBudget(256 << 20)}, Durability: s.Durability(),
		},
		Now: noon,
	}
}

// post sends body to a path; headers are name, value.
func post(h http.Handler, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	intake.Identified(h).ServeHTTP(w, r)
	return w
}
