package outbound_test

import (
	"io"
	"net/http"
	"testing"

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

// A dawdler is a transport that answers before it has read a request.
type dawdler struct{ body io.ReadCloser }

func (d *dawdler) RoundTrip(r *http.Request) (*http.Response, error) {
	d.body = r.Body
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestABodyIsNotWrittenOverWhileItIsRead(t *testing.T) {
	client, err := outbound.Open(outbound.Options{URL: "http://example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	late := new(dawdler)
	client.SetTransport(late)
	const sent = "what was sent first"
	if _, err := client.Post(t.Context(), http.Header{}, append(outbound.Buffer(), sent...)); err != nil {
		t.Fatal(err)
	}
	var others [][]byte
	for range 100 {
		others = append(others, append(outbound.Buffer(), "what is sent next"...))
	}
	if text, err := io.ReadAll(late.body); string(text) != sent || err != nil {
		t.Errorf("the transport reads %q, %v", text, err)
	}
	late.body.Close()
	for _, b := range others {
		outbound.Reuse(b)
	}
}
