package activity_test

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
	"daybook.dev/gateway/internal/intake/activity"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// The three routes as clients write them.
const (
	eventsPath    = "/events/prod"
	trackPath     = activity.TrackPath
	telemetryPath = activity.TelemetryPath
)

// newService returns a service in front of s, with times that are the same in
// every run.
func newService(s store.Store) *activity.Service {
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{Now: func() time.Time { return intaketest.Noon }},
		Store: s, Instance: "test",
	}
	return &activity.Service{Door: intake.Door{Accept: accepter.Accept, Body: &intake.Body{}, Durability: s.Durability()}}
}

// routed answers the service's routes.
func routed(s *activity.Service) http.Handler {
	routes := http.NewServeMux()
	for pattern, handler := range s.Routes() {
		routes.Handle(pattern, handler)
	}
	return intake.Identified(routes)
}

func post(s *activity.Service, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	routed(s).ServeHTTP(w, r)
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

// event is an acceptable event with members, which begin with a comma.
func event(id, members string) string {
	return fmt.Sprintf(`{"event_id":%q,"event_time":"2026-01-31T12:00:00Z","event_type":"log","event_name":"a"%s}`, id, members)
}
