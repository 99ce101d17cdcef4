package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestSubscriptionContinuesBehindTheLastEvent(t *testing.T) {
	var mu sync.Mutex // guards the next two
	var asked []string
	answers := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, // the first must succeed: see below
		func(w http.ResponseWriter) { fmt.Fprint(w, "id: 6\n\n: keep-alive\n\n") },
		func(w http.ResponseWriter) {
			fmt.Fprint(w, "id: 7\ndata: {\"a\":1}\n\nid: 8\r\ndata:{\"b\":2}\r\n\r\nid: 9\ndata: cut")
		},
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) {
			fmt.Fprint(w, ": another store\n\nid: 2\n\nid: 9\ndata: {\"c\":3}\n\nevent: end\ndata: {}\n\n")
		},
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Query().Get("from")+" "+r.Header.Get("Last-Event-ID"))
		now := answers[0]
		answers = answers[1:]
		mu.Unlock()
		now(w)
	}))
	defer gateway.Close()
	var rows, notes []string
	outages := 0
	s := subscription{
		url: gateway.URL, token: "t", query: url.Values{"from": {"now"}},
		event: func(row []byte) error { rows = append(rows, string(row)); return nil },
		pause: func() error { return nil },
		away:  func(error) { outages++ },
		note:  func(text string) { notes = append(notes, text) },
	}

	if err := s.run(t.Context()); err == nil || !strings.Contains(err.Error(), "no gateway at "+gateway.URL) {
		t.Errorf("the first connection failed with %v", err)
	}
	if err := s.run(t.Context()); err != nil {
		t.Error(err)
	}

	if want := []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}; !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"now ", "now ", "now 6", "now 8", "now 8"}; !reflect.DeepEqual(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if want := []string{"another store"}; !reflect.DeepEqual(notes, want) {
		t.Errorf("notes %q, want %q", notes, want)
	}
	if outages != 2 {
		t.Errorf("%d outages, want 2: silence, and the one with a 503 in it", outages)
	}
}

func TestSubscriptionEnds(t *testing.T) {
	full := errors.New("the disk is full")
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		event  error
		want   string
	}{
		{"with the token it lacks", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message":"send the token"}`)
		}, nil, "send the token (set operations.token"},
		{"at what is no gateway", http.NotFound, nil, "is it the operations address of a Daybook gateway?"},
		{"at a store that cannot be read", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotImplemented)
			_, _ = io.WriteString(w, `{"message":"tail is not available"}`)
		}, nil, "tail is not available"},
		{"when an event cannot be printed", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "data: {}\n\n")
		}, full, "the disk is full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gateway := httptest.NewServer(c.answer)
			defer gateway.Close()
			s := subscription{
				url: gateway.URL, query: url.Values{}, event: func([]byte) error { return c.event },
				pause: func() error { return nil }, away: func(error) {},
			}
			if err := s.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
