package intaketest

import (
	"bytes"
	"io"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
)

// Bodies returns the bodies of a protocol's cases, to fuzz with.
func Bodies(t testing.TB, protocol string) [][]byte {
	t.Helper()
	var all [][]byte
	for _, folder := range Cases(t, protocol) {
		body, err := io.ReadAll(Request(t, folder).Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, body)
	}
	return all
}

// CheckAnswer holds what must be true of the answer to any request: it is JSON,
// its status fits what was stored, and what was stored is within the limits.
func CheckAnswer(t testing.TB, w *httptest.ResponseRecorder, s *Recorder) {
	t.Helper()
	if reply := jsontext.Value(w.Body.Bytes()); !reply.IsValid() {
		t.Fatalf("the answer is not JSON: %s", reply)
	}
	records := s.Records()
	if w.Code != 200 && len(records) > 0 {
		t.Fatalf("status %d, and %d events stored", w.Code, len(records))
	}
	for i := range records {
		CheckStored(t, &records[i].Event)
	}
}

// CheckStored holds what must be true of every event that is stored.
func CheckStored(t testing.TB, e *daybook.Event) {
	t.Helper()
	for _, text := range []string{e.ID, e.Name, string(e.Type), e.Actor, e.IdempotencyKey} {
		if !utf8.ValidString(text) || len(text) > 256 {
			t.Fatalf("stored text %q", text)
		}
	}
	if e.Metadata == nil {
		return
	}
	m := jsontext.Value(e.Metadata)
	if !m.IsValid() || m.Kind() != '{' {
		t.Fatalf("stored metadata is no strict JSON object: %s", m)
	}
	compact := bytes.Clone(m)
	if err := (*jsontext.Value)(&compact).Compact(); err != nil || !bytes.Equal(compact, m) {
		t.Fatalf("stored metadata is not compact: %s", m)
	}
	d := jsontext.NewDecoder(bytes.NewReader(m))
	for {
		if _, err := d.ReadToken(); err != nil {
			return
		}
		if d.StackDepth() > 64 {
			t.Fatalf("stored metadata is too deep: %s", m)
		}
	}
}
