package cloudevents_test

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
	"daybook.dev/gateway/internal/intake/cloudevents"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// newHandler returns a handler in front of s, with ids and times that are the
// same in every run.
func newHandler(s store.Store) *cloudevents.Handler {
	ids := 0
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{
			Now:   func() time.Time { return intaketest.Noon },
			NewID: func() string { ids++; return fmt.Sprintf("id-%d", ids) },
		},
		Store: s, Instance: "test",
	}
	return &cloudevents.Handler{Door: intake.Door{Accept: accepter.Accept, Body: &intake.Body{}, Durability: s.Durability()}}
}

func post(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	header := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		header.Add(headers[i], headers[i+1])
	}
	return postWith(h, body, header)
}

func postWith(h http.Handler, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, cloudevents.Path, strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// reply is the answer as a client reads it.
type reply struct {
	Results []struct {
		Index                                int
		EventID                              string `json:"event_id"`
		Status, Code, Reason, Field, Message string
	}
	Durability, Code, Reason, Field, Message string
}

func parse(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var r reply
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("the reply is not as documented: %v", err)
	}
	return r
}

// asJSON says that a body is one event in structured mode.
const asJSON = "application/cloudevents+json"

// event is an acceptable event with members, which begin with a comma.
func event(members string) string {
	return `{"specversion":"1.0","id":"e1","source":"/orders","type":"order.paid"` + members + `}`
}
