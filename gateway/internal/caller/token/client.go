package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// answerWithin is how long a server may take to answer about a token.
	answerWithin = 5 * time.Second

	// maxAnswer is the size in bytes of the longest answer that is read.
	maxAnswer = 256 << 10

	// connections are kept open to one server.
	connections = 16
)

// newClient returns a client for servers that know about tokens. It follows no
// redirect, for that would hand tokens and our own password on, and reads no more
// than maxAnswer of an answer.
func newClient() *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    answerWithin,
		ResponseHeaderTimeout:  answerWithin,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    connections,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{
		Transport:     bounded{transport},
		Timeout:       answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A bounded transport breaks off an answer that is too long.
type bounded struct{ *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.Transport.RoundTrip(r)
	if err == nil {
		answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer}
	}
	return answer, err
}

var errTooLong = errors.New("the answer has more than 256 KiB")

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// CheckURL returns nil when a server at that address may be told tokens, and be
// believed about them: over TLS, or on this machine.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("is not an absolute URL")
	case u.User != nil:
		return errors.New("must not hold a user or password")
	case u.Fragment != "":
		return errors.New("must not hold a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https://, as whoever listens in between could let anybody in; http:// is for this machine only")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// failed says what went wrong while a server was asked. What the server itself
// wrote is cut short, and nothing in it can end a line of the log.
func failed(ctx context.Context, asked string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("token: %s: %w", asked, cause)
	}
	const longest = 200
	text := err.Error()
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	quoted := strconv.Quote(text)
	return errors.New("token: " + asked + ": " + quoted[1:len(quoted)-1])
}
