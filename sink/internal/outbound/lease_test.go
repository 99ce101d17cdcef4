package outbound_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"daybook.dev/sink/internal/outbound"
)

func TestMemoryGoesBackWhenNobodyReadsIt(t *testing.T) {
	back := 0
	l := outbound.NewLease([]byte("body"), func([]byte) { back++ })
	first := l.Open()
	second := l.Open()
	if text, err := io.ReadAll(first); string(text) != "body" || err != nil {
		t.Errorf("the first reader reads %q, %v", text, err)
	}
	first.Close()
	first.Close()
	l.Leave()
	if back != 0 {
		t.Fatal("it went back while somebody could read it")
	}
	if text, err := io.ReadAll(second); string(text) != "body" || err != nil {
		t.Errorf("the second reader reads %q, %v", text, err)
	}
	second.Close()
	if back != 1 {
		t.Errorf("it went back %d times", back)
	}
	if n, err := second.Read(make([]byte, 4)); n != 0 || err == nil {
		t.Errorf("after Close, Read returns %d, %v", n, err)
	}
}

// TestABodyIsNeverMixedWithTheNext ends requests at any moment while others use
// the memory of those that ended. What arrives whole has to be what was sent.
func TestABodyIsNeverMixedWithTheNext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		sum := sha256.Sum256(body)
		if want := r.Header.Get("X-Sum"); hex.EncodeToString(sum[:]) != want {
			t.Errorf("a body of %d bytes is not what was sent", len(body))
		}
	}))
	defer server.Close()
	client, err := outbound.Open(outbound.Options{URL: server.URL, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	var posting sync.WaitGroup
	for p := range 8 {
		posting.Go(func() {
			for n := range 40 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%8)*300*time.Microsecond)
				body := append(outbound.Buffer(), bytes.Repeat([]byte{byte('a' + p), byte(n)}, 150_000)...)
				sum := sha256.Sum256(body)
				_, _ = client.Post(ctx, http.Header{"X-Sum": {hex.EncodeToString(sum[:])}}, body)
				cancel()
			}
		})
	}
	posting.Wait()
}
