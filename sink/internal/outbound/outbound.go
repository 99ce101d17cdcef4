// Package outbound is how sinks speak HTTP: one POST at a time to one address
// that an operator has written down and nobody else may steer. It follows no
// redirect, asks no proxy, connects to no address behind the operator's back
// ([Options].AllowPrivate), reads no more of an answer than it needs, and shows
// neither the address nor the answer in its errors.
package outbound

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"daybook.dev"
)

// Options say where to. URL and Where are required.
type Options struct {
	Where string // the sink's name, as errors begin

	// URL is where to post: http or https, with a host. A user in it is sent as
	// Basic authentication.
	URL string

	// AllowPrivate permits addresses that only this machine or its network can
	// reach.
	AllowPrivate bool

	// Timeout bounds one attempt, within the caller's context. Zero means 10s.
	Timeout time.Duration

	// Codes are exceptions to the table of statuses.
	Codes map[int]daybook.Code

	// Reply is how many bytes of the answer to a success are read for the
	// caller. Zero means that the status says it all.
	Reply int
}

const (
	defaultTimeout = 10 * time.Second

	// What is left of an answer is read so that the connection can be used
	// again, but not for long.
	drainMost   = 64 << 10
	drainWithin = 250 * time.Millisecond
)

// A Client posts to one address. It is safe for concurrent use.
type Client struct {
	where   string
	url     string
	origin  string // scheme, host and port: what of the address may be shown
	timeout time.Duration
	codes   map[int]daybook.Code
	reply   int
	http    *http.Client

	ending context.Context // ends the requests under way when Close gives up waiting
	end    context.CancelFunc

	mu     sync.Mutex // guards what follows
	closed bool
	active int           // requests under way
	idle   chan struct{} // closed by whoever sees closed and active == 0 first
}

// Open returns a client. It does no network I/O; an error means that the
// address cannot be right.
func Open(o Options) (*Client, error) {
	u, err := parse(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		where: o.Where, url: u.String(), origin: (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(),
		timeout: o.Timeout, codes: o.Codes, reply: o.Reply, http: HTTP(o.AllowPrivate), idle: make(chan struct{}),
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	c.ending, c.end = context.WithCancel(context.Background())
	return c, nil
}

// HTTP returns a client that connects only to where it may, follows no
// redirects and asks no proxy: not even one that the environment names, which
// would connect for us to whatever it likes. Its errors quote nothing that was
// sent. Whoever uses it closes its idle connections.
func HTTP(allowPrivate bool) *http.Client {
	return &http.Client{
		Transport: discreet{&http.Transport{
			DialContext:            dialer(allowPrivate).DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		}},
		// Following a redirect would turn the POST into a GET, or carry the
		// events to a host nobody named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Post sends body in one request and one attempt. Nil means that the answer was
// a success (2xx): whatever its body does after that changes nothing, unless
// Options.Reply asks for it; then a body that breaks off is an error. The header
// is the client's from now on, and so is body, for which the transport may look
// even after Post has returned.
func (c *Client) Post(ctx context.Context, header http.Header, body []byte) ([]byte, error) {
	ctx, leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, &daybook.Error{Code: daybook.Internal, Where: c.where, Reason: "bad_request"} // parse has seen the address
	}
	request.Header = header
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "daybook")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unanswered(err)
	}
	defer drain(response.Body, cancel)
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, c.refusal(response.StatusCode, response.Header)
	}
	if c.reply == 0 {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, int64(c.reply)))
	if err != nil {
		return nil, c.unanswered(err)
	}
	return text, nil
}

// drain reads the rest of an answer, if it is short and there already, and
// closes it. A reader that waits ends with the request's context.
func drain(body io.ReadCloser, cancel func()) {
	timer := time.AfterFunc(drainWithin, cancel)
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, body, drainMost)
	_ = body.Close()
}
