package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"time"
)

// Proxied reports whether a request would go through a proxy.
func (d discreet) Proxied(r *http.Request) bool {
	if d.Proxy == nil {
		return false
	}
	u, err := d.Proxy(r)
	return u != nil || err != nil
}

// RetryAfter is how the header is read at a given time.
func RetryAfter(text string, now time.Time) time.Duration { return retryAfter(text, now) }

// A Lease lends a body.
type Lease struct{ l *lease }

// NewLease returns one with its first user.
func NewLease(text []byte, back func([]byte)) Lease {
	l := &lease{text: text, back: back}
	l.use()
	return Lease{l}
}

// Open returns a reader.
func (l Lease) Open() io.ReadCloser {
	r, _ := l.l.open()
	return r
}

// Leave ends the first user.
func (l Lease) Leave() { l.l.leave() }

// SetTransport makes the client send through another transport.
func (c *Client) SetTransport(t http.RoundTripper) { c.http.Transport = t }

// Trust makes the client trust a test server's certificate.
func (c *Client) Trust(roots *x509.CertPool) {
	c.http.Transport.(discreet).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
