package logevent_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/logevent"
	"daybook.dev/gateway/internal/store"
)

// slowly makes connect-go answer a request that the fast route would take: it
// knows one spelling of the charset, connect-go knows all.
func slowly(r *http.Request) *http.Request {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	return r
}

// TestBothRoutesAgree sends every case through the handler of our own and
// through connect-go.
func TestBothRoutesAgree(t *testing.T) {
	for _, folder := range intaketest.Cases(t, logevent.Protocol) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			fast, slow := caseGateway(t, folder), caseGateway(t, folder)
			compareAnswers(t,
				fast.serve(intaketest.Request(t, folder)), slow.serve(slowly(intaketest.Request(t, folder))))
			compareStored(t, fast, slow)
		})
	}
}

func compareAnswers(t testing.TB, fast, slow *httptest.ResponseRecorder) {
	t.Helper()
	if fast.Code != slow.Code {
		t.Errorf("status %d and %d", fast.Code, slow.Code)
	}
	for _, name := range []string{"Daybook-Durability", "Daybook-Outcome", "Retry-After", "Allow"} {
		if f, s := fast.Header().Values(name), slow.Header().Values(name); !reflect.DeepEqual(f, s) {
			t.Errorf("header %s: %q and %q", name, f, s)
		}
	}
	if slow.Code != http.StatusMethodNotAllowed && slow.Code != http.StatusUnsupportedMediaType && slow.Header().Get("Accept-Encoding") == "" {
		t.Errorf("connect-go was not asked: %v", slow.Header())
	}
	if f, s := parsed(fast.Body.Bytes()), parsed(slow.Body.Bytes()); !reflect.DeepEqual(f, s) {
		t.Errorf("body %s and %s", fast.Body, slow.Body)
	}
}

// parsed is a body as a client understands it.
func parsed(body []byte) any {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return string(body)
	}
	return value
}

func compareStored(t testing.TB, one, other *gateway) {
	t.Helper()
	a, b := one.store.Records(), other.store.Records()
	for _, records := range [][]store.Record{a, b} {
		for i := range records {
			if records[i].Settlement != nil {
				records[i].Received = intaketest.Noon // settled at another instant
			}
		}
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("stored\n%s\nand\n%s", intaketest.Rows(t, a), intaketest.Rows(t, b))
	}
	for _, g := range []*gateway{one, other} {
		if used := g.Budget.Used(); used != g.others {
			t.Errorf("%d bytes of the budget are still held", used)
		}
	}
}
