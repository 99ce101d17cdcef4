package operations_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/query/querytest"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// book returns a store with the events a, b and c at positions 1, 2 and 3.
func book() *querytest.Memory {
	m := &querytest.Memory{}
	for i, name := range []string{"a", "b", "c"} {
		m.Add(name, noon.Add(time.Duration(i)*time.Minute), 0)
	}
	return m
}

// message is how the event name looks on the wire.
func message(position, name, at string) string {
	return "id: " + position + "\ndata: " + `{"event_id":"id-` + name + `","event_name":"` + name +
		`","event_type":null,"actor_id":null,"event_ts":"` + at + `","ingested_at":"` + at +
		`","caller":"anonymous","protocol":"http","instance":null,"metadata":null}` + "\n\n"
}

var (
	a   = message("1", "a", "2026-01-31T12:00:00Z")
	b   = message("2", "b", "2026-01-31T12:01:00Z")
	c   = message("3", "c", "2026-01-31T12:02:00Z")
	end = "event: end\ndata: {}\n\n"

	replaced = ": the gateway has another store than before; this one is shown from its oldest event\n\n"
)

func TestATailThatDoesNotFollowSendsEachEventAndTheEnd(t *testing.T) {
	h := operations.New(operations.Options{Events: book(), Metrics: metrics})
	for query, want := range map[string]string{
		"":                                  end,
		"&from=now":                         end,
		"&from=start":                       a + b + c + end,
		"&from=2026-01-31T12:01:00Z":        b + c + end,
		"&from=2026-01-31T13:01:00%2B01:00": b + c + end,
		"&n=1":                              c + end,
		"&n=2&from=now":                     b + c + end,
		"&n=0&from=start":                   a + b + c + end,
		"&after=1":                          b + c + end,
		"&after=1&from=start&n=0":           b + c + end,
	} {
		w := get(h, "/v1/tail?follow=false"+query, "localhost")
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d\n%s\nwant\n%s", query, w.Code, w.Body, want)
		}
		if got := w.Header().Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type %s", got)
		}
	}
}

func TestAReaderThatConnectsAgainContinuesBehindTheLastIDItHasSeen(t *testing.T) {
	h := operations.New(operations.Options{Events: book(), Metrics: metrics})
	w := get(h, "/v1/tail?follow=false&from=start&after=1", "localhost", "Last-Event-ID", "2")
	if w.Body.String() != c+end {
		t.Errorf("sent\n%s\nwant\n%s", w.Body, c+end)
	}
}

func TestAReaderThatComesFromAnotherStoreIsToldAndMissesNothing(t *testing.T) {
	h := operations.New(operations.Options{Events: book(), Metrics: metrics, Store: "3f2a1b9c.1"})
	mine := func(message string) string { return strings.Replace(message, "id: ", "id: 3f2a1b9c.1-", 1) }
	for seen, want := range map[string]string{
		"3f2a1b9c.1-2": mine(c) + end,
		"2":            mine(c) + end,
		"3f2a1b9c.2-2": replaced + mine(a) + mine(b) + mine(c) + end,
		"00000000.1-2": replaced + mine(a) + mine(b) + mine(c) + end,
		"a-b-7":        replaced + mine(a) + mine(b) + mine(c) + end,
	} {
		for _, w := range []*httptest.ResponseRecorder{
			get(h, "/v1/tail?follow=false&from=now", "localhost", "Last-Event-ID", seen),
			get(h, "/v1/tail?follow=false&after="+seen, "localhost"),
		} {
			if w.Body.String() != want {
				t.Errorf("behind %s\n%s\nwant\n%s", seen, w.Body, want)
			}
		}
	}
}

func TestWrongParametersAreRefusedByName(t *testing.T) {
	h := operations.New(operations.Options{Events: book(), Metrics: metrics})
	for query, want := range map[string]string{
		"from=yesterday": "from: ", "n=x": "n: ", "n=99999999999": "n: ", "n=3&from=start": "n: ",
		"follow=perhaps": "follow: ", "after=-1": "after: ", "after=a-": "after: ", "after=a-x": "after: ", "after=x": "after: ",
	} {
		if w := get(h, "/v1/tail?"+query, "localhost"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"message":"`+want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestAStoreThatCannotBeReadIsReportedAndItsErrorIsNotSent(t *testing.T) {
	m := book()
	m.Fail(errors.New("canary: bad sector"))
	var reported error
	h := operations.New(operations.Options{Events: m, Metrics: metrics, Failed: func(err error) { reported = err }})
	for query, want := range map[string]int{"n=1": 503, "from=start": 200} {
		reported = nil
		w := get(h, "/v1/tail?"+query, "localhost")
		if w.Code != want || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		if reported == nil || reported.Error() != "canary: bad sector" {
			t.Errorf("%s: reported %v", query, reported)
		}
	}
	none := operations.New(operations.Options{Metrics: metrics})
	if w := get(none, "/v1/tail", "localhost"); w.Code != http.StatusNotImplemented {
		t.Errorf("without a store to read: %d", w.Code)
	}
}

// A pipe is a ResponseWriter whose bytes can be read while they are written.
type pipe struct {
	*io.PipeWriter
	header http.Header
}

func (p pipe) Header() http.Header { return p.header }
func (p pipe) WriteHeader(int)     {}
func (p pipe) Flush()              {}

func TestATailKeepsTheConnectionAliveAndEndsWhenTheGatewayStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := book()
		streams, stop := context.WithCancel(t.Context())
		h := operations.New(operations.Options{Events: m, Metrics: metrics, Streams: streams})
		reader, writer := io.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() { _ = writer.Close() }()
			r := httptest.NewRequest(http.MethodGet, "/v1/tail?n=1", nil)
			r.Host = "localhost"
			h.ServeHTTP(pipe{writer, http.Header{}}, r)
		}()
		lines := bufio.NewReader(reader)
		if got, want := read(t, lines, len("id: 2\n\n"+c)), "id: 2\n\n"+c; got != want {
			t.Errorf("first %q, want the place and the newest event", got)
		}
		begin := time.Now()
		if got := read(t, lines, len(": keep-alive\n\n")); got != ": keep-alive\n\n" || time.Since(begin) != 15*time.Second {
			t.Errorf("after %s %q, want a sign of life after 15s", time.Since(begin), got)
		}
		m.Add("d", noon, 0)
		want := message("4", "d", "2026-01-31T12:00:00Z")
		if got := read(t, lines, len(want)); got != want {
			t.Errorf("then %q, want the new event", got)
		}
		stop()
		<-ended
		if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
			t.Errorf("at the stop %q, %v; want nothing: the reader is to come back", rest, err)
		}
	})
}

func read(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	buffer := make([]byte, n)
	if _, err := io.ReadFull(r, buffer); err != nil {
		t.Fatal(err)
	}
	return string(buffer)
}

func TestAReaderThatLeavesEndsItsTail(t *testing.T) {
	m := book()
	server := httptest.NewServer(operations.New(operations.Options{Events: m, Metrics: metrics}))
	defer server.Close() // returns only when no tail is left
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/tail?from=start", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got, want := read(t, response.Body, len("id: 0\n\n"+a+b+c)), "id: 0\n\n"+a+b+c; got != want {
		t.Errorf("read %q, want %q", got, want)
	}
	leave()
}
