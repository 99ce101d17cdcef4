package plainhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/plainhttp"
	"daybook.dev/gateway/internal/store"
)

// noon is when everything happens.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// recorder is a store in memory that deduplicates.
type recorder struct {
	mu      sync.Mutex
	records []store.Record
	fail    error // what Append answers instead
}

func (s *recorder) Append(_ context.Context, records []store.Record) ([]store.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	receipts := make([]store.Receipt, len(records))
	for i := range records {
		receipts[i] = s.append(&records[i])
	}
	return receipts, nil
}

func (s *recorder) append(r *store.Record) store.Receipt {
	for i := range s.records {
		if s.records[i].Key() != r.Key() {
			continue
		}
		if s.records[i].Digest != r.Digest {
			return store.Receipt{Status: daybook.Refused, ID: r.Event.ID, Err: &daybook.Error{
				Code: daybook.Conflict, Field: "event_id", Reason: "conflict", Message: "the id was stored with other content",
			}}
		}
		return store.Receipt{Status: daybook.Duplicate, ID: r.Event.ID, Position: store.Position(i + 1)}
	}
	kept := *r
	kept.Event.Metadata = append([]byte(nil), r.Event.Metadata...)
	s.records = append(s.records, kept)
	return store.Receipt{Status: daybook.Stored, ID: r.Event.ID, Position: store.Position(len(s.records))}
}

func (*recorder) Durability() daybook.Durability { return daybook.Fsynced }
func (*recorder) Ready(context.Context) error    { return nil }
func (*recorder) Close(context.Context) error    { return nil }

// newHandler returns a handler in front of s, with ids and times that are the
// same in every run.
func newHandler(s store.Store) *plainhttp.Handler {
	ids := 0
	accepter := &accept.Accepter{
		Admit: &admit.Admitter{
			Now:   func() time.Time { return noon },
			NewID: func() string { ids++; return fmt.Sprintf("id-%d", ids) },
		},
		Store: s, Instance: "test",
	}
	return &plainhttp.Handler{Accept: accepter.Accept, Body: &intake.Body{}, Durability: s.Durability()}
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
