package otlp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/otlp"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// newService is the intake in front of a store, with ids and times that are the
// same in every run.
func newService(s store.Store) *otlp.Service {
	var ids atomic.Int64
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{
			Now:   func() time.Time { return intaketest.Noon },
			NewID: func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids.Add(1)) },
		},
		Store: s, Instance: "test",
	}
	budget := intake.NewBudget(256 << 20)
	return &otlp.Service{
		Door:   intake.Door{Accept: accepter.Accept, Body: &intake.Body{Budget: budget}, Durability: s.Durability()},
		Budget: budget,
	}
}

const (
	protobuf = "application/x-protobuf"
	asJSON   = "application/json"
)

// post sends body over plain HTTP; headers are name, value.
func post(s *otlp.Service, contentType, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, otlp.Path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	intake.Identified(s.Handler()).ServeHTTP(w, r)
	return w
}

// wire is a request in Protocol Buffers.
func wire(t testing.TB, logs plog.Logs) string {
	t.Helper()
	b, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// text is a request in JSON.
func text(t testing.TB, logs plog.Logs) string {
	t.Helper()
	b, err := plogotlp.NewExportRequestFromLogs(logs).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// oneRecord is a request of one record, with its resource and scope.
func oneRecord() (logs plog.Logs, record plog.LogRecord) {
	logs = plog.NewLogs()
	return logs, logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
}
