package firstparty_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/firstparty"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// newHandler returns a handler in front of s, with ids and times that are the
// same in every run.
func newHandler(s store.Store) *firstparty.Handler {
	ids := 0
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{
			Now:   func() time.Time { return intaketest.Noon },
			NewID: func() string { ids++; return fmt.Sprintf("id-%d", ids) },
		},
		Store: s, Instance: "test",
	}
	return &firstparty.Handler{Door: intake.Door{Accept: accepter.Accept, Body: &intake.Body{}, Durability: s.Durability()}}
}

func post(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, firstparty.Path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// reply is the answer as a client reads it.
type reply struct {
	Accepted int `json:"accepted_count"`
	Rejected int `json:"rejected_count"`
	Errors   []struct {
		Index                        int
		EventID                      string `json:"event_id"`
		Code, Reason, Field, Message string
	}
	Code, Reason, Field, Message string
}

func parse(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var r reply
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("the reply is not as documented: %v", err)
	}
	if r.Rejected != len(r.Errors) {
		t.Fatalf("%d rejected and %d errors", r.Rejected, len(r.Errors))
	}
	return r
}

// batch is a body with one event of the data.
func batch(data string) string {
	return `{"events":[{"event_type":"InternalEvent","event_data":{"event_id":"e1","event_name":"a"` + data + `}}]}`
}
