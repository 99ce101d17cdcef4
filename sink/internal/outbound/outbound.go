// Package outbound is how sinks speak HTTP: one POST at a time to one address
// that an operator has written down and nobody else may steer. It follows no
// redirect, asks no proxy, connects to no address behind the operator's back
// ([Options].AllowPrivate), reads no more of an answer than it needs, and shows
// neither the address nor the answer in its errors.
package outbound

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"daybook.dev"
	"daybook.dev/sink/internal/gate"
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
	gate    *gate.Gate
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
		timeout: o.Timeout, codes: o.Codes, reply: o.Reply, http: HTTP(o.AllowPrivate), gate: gate.New(),
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
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

// Enter begins a Write of the sink that the client belongs to. Its context ends
// with ctx, and when Close gives up waiting; leave ends it. The error is
// daybook.ErrClosed.
func (c *Client) Enter(ctx context.Context) (within context.Context, leave func(), err error) {
	return c.gate.Enter(ctx)
}

// Close waits for the Writes under way until ctx ends, and then ends them. It is
// idempotent.
func (c *Client) Close(ctx context.Context) error {
	defer c.http.CloseIdleConnections()
	return c.gate.Close(ctx)
}

// Post sends body in one request and one attempt. Nil means that the answer was
// a success (2xx): whatever its body does after that changes nothing, unless
// Options.Reply asks for it; then a body that breaks off is an error. The header
// and the body are the client's from now on; the body becomes a [Buffer] when
// nobody reads it any more.
func (c *Client) Post(ctx context.Context, header http.Header, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	l := &lease{text: body, back: Reuse}
	l.use()
	defer l.leave()
	request, err := c.request(ctx, header, l)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unanswered(err)
	}
	defer response.Body.Close()
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

// request returns a request whose body is lent.
func (c *Client) request(ctx context.Context, header http.Header, l *lease) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, http.NoBody)
	if err != nil { // parse has seen the address
		return nil, &daybook.Error{Code: daybook.Internal, Where: c.where, Reason: "bad_request"}
	}
	request.Header = header
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "daybook")
	}
	if len(l.text) > 0 {
		request.ContentLength = int64(len(l.text))
		request.GetBody = l.open
		request.Body, _ = l.open()
	}
	return request, nil
}

// drain reads the rest of an answer, if it is short and there already. A reader
// that waits ends with the request's context.
func drain(body io.Reader, cancel func()) {
	timer := time.AfterFunc(drainWithin, cancel)
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, body, drainMost)
}
