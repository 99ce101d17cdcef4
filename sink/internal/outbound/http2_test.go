package outbound_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/internal/outbound"
)

// overHTTP2 opens a client for a server that speaks HTTP/2 over TLS.
func overHTTP2(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *outbound.Client {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := outbound.Open(outbound.Options{Where: "poster", URL: server.URL, AllowPrivate: true, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(context.Background()) })
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client.Trust(roots)
	return client
}

func TestHTTP2(t *testing.T) {
	t.Run("bodies at the same time arrive whole", func(t *testing.T) {
		client := overHTTP2(t, 0, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.ProtoMajor != 2 || len(body) != 300_000 || bytes.Count(body, body[:1]) != len(body) {
				t.Errorf("HTTP/%d, %d bytes, %v", r.ProtoMajor, len(body), err)
			}
		})
		var posting sync.WaitGroup
		for i := range 8 {
			posting.Go(func() {
				for range 3 {
					body := append(outbound.Buffer(), bytes.Repeat([]byte{byte('a' + i)}, 300_000)...)
					if _, err := client.Post(t.Context(), http.Header{}, body); err != nil {
						t.Error(err)
					}
				}
			})
		}
		posting.Wait()
	})
	t.Run("a server that never answers is given up", func(t *testing.T) {
		client := overHTTP2(t, 300*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		if _, err := client.Post(t.Context(), http.Header{}, []byte("x")); daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("error is %v, want unavailable", err)
		}
	})
	t.Run("an answer before the body is read is an answer", func(t *testing.T) {
		client := overHTTP2(t, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
		if _, err := client.Post(t.Context(), http.Header{}, make([]byte, 4<<20)); daybook.CodeOf(err) != daybook.TooLarge {
			t.Errorf("error is %v, want too large", err)
		}
	})
}
