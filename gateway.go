package daybook

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// GatewayOptions say how to talk to a gateway. The zero value works.
type GatewayOptions struct {
	// Key proves who is sending, as "Authorization: Bearer KEY". Empty sends
	// no proof, which a gateway accepts where it lets anonymous callers in.
	Key string

	// Path is where events are posted, below the address. Empty means
	// /v1/events.
	Path string

	// Client makes the requests; redirects are not followed whatever it says.
	// Nil means a client of the sender's own, which Close releases.
	Client *http.Client

	// Timeout bounds one attempt, within the caller's context. Zero means 30s.
	Timeout time.Duration

	// CompressAbove is the size in bytes from which a request is sent gzipped.
	// Zero means 1 KiB, less than 0 means never.
	CompressAbove int
}

const (
	defaultTimeout       = 30 * time.Second
	defaultCompressAbove = 1 << 10
)

// A LineSender is a Sender that also takes events which are JSON already.
type LineSender interface {
	Sender

	// SendLines is Send for events written as the gateway's POST /v1/events
	// takes them, one object each. They are sent as they are; only a line that
	// is no JSON object, or that is broken over several lines, is refused here.
	SendLines(ctx context.Context, lines [][]byte) ([]Outcome, error)
}

// Gateway returns the sender that posts events to the Daybook gateway at
// address, such as "http://localhost:8080". It does no network I/O; an error
// means that the address or the key cannot be right.
//
// Each Send is one request and one attempt: retrying is the caller's. IDs are
// the caller's too. An event without one is given a new ID by the gateway on
// every attempt, so sending it again may store it twice.
func Gateway(address string, o GatewayOptions) (LineSender, error) {
	target, err := gatewayURL(address, cmp.Or(o.Path, "/v1/events"))
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(o.Key, notInKey) {
		return nil, &Error{
			Code: Invalid, Where: "gateway", Field: "key", Reason: "invalid_key",
			Message: "the key contains a space, a line break or another character no key has",
		}
	}
	g := &gateway{
		target:        target,
		key:           o.Key,
		timeout:       o.Timeout,
		compressAbove: o.CompressAbove,
		idle:          make(chan struct{}),
	}
	if g.timeout == 0 {
		g.timeout = defaultTimeout
	}
	if g.compressAbove == 0 {
		g.compressAbove = defaultCompressAbove
	}
	g.client, g.release = clientOf(o.Client)
	g.ending, g.end = context.WithCancel(context.Background())
	return g, nil
}

// gatewayURL returns the address of one of the gateway's routes, or an error
// that says what to write instead.
func gatewayURL(address, path string) (string, error) {
	u, err := url.Parse(address)
	good := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
	if !good {
		// The address is not repeated in full: it may hold a password.
		return "", &Error{
			Code: Invalid, Where: "gateway", Field: "url", Reason: "invalid_url",
			Message: "the gateway's address must be http:// or https:// with a host and neither user, query nor fragment; write for example http://localhost:8080",
		}
	}
	return u.JoinPath(path).String(), nil
}

func notInKey(r rune) bool { return r <= ' ' || r >= 0x7f }

// clientOf returns the client to use and what to call when it is done with. A
// client that was given may be shared, so nothing of it is released.
func clientOf(given *http.Client) (client *http.Client, release func()) {
	own := http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
	}}
	release = own.CloseIdleConnections
	if given != nil {
		own, release = *given, func() {}
	}
	// Following a redirect would turn the POST into a GET, whose 200 means
	// nothing, or carry the events to a host nobody named.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own, release
}

// gateway is the Sender that [Gateway] returns.
type gateway struct {
	target        string
	key           string
	timeout       time.Duration
	compressAbove int
	client        *http.Client
	release       func()

	zippers sync.Pool // of *gzip.Writer, each most of a megabyte

	ending context.Context // ends the requests under way when Close gives up waiting
	end    context.CancelFunc

	mu     sync.Mutex // guards what follows
	closed bool
	active int           // Sends under way
	idle   chan struct{} // closed by whoever sees closed and active == 0 first
}

// Write is Send for callers that only want to know what failed. Nil means that
// every event is safe at the gateway.
func (g *gateway) Write(ctx context.Context, events []Event) error {
	_, err := g.Send(ctx, events)
	return err
}

// Send posts events in one request. See [Sender].
func (g *gateway) Send(ctx context.Context, events []Event) ([]Outcome, error) {
	return g.send(ctx, len(events), func(b *bytes.Buffer, i int) (string, *Error) {
		return events[i].ID, appendLine(b, &events[i])
	})
}

// sendOwn is Send for events whose metadata this package has written itself: it
// is one line of JSON and needs not be looked at again. The request tells the
// gateway what was dropped before.
func (g *gateway) sendOwn(ctx context.Context, events []Event) ([]Outcome, error) {
	return g.send(ctx, len(events), func(b *bytes.Buffer, i int) (string, *Error) {
		return events[i].ID, appendOwnLine(b, &events[i])
	})
}

// SendLines posts lines in one request. See [LineSender].
func (g *gateway) SendLines(ctx context.Context, lines [][]byte) ([]Outcome, error) {
	return g.send(ctx, len(lines), func(b *bytes.Buffer, i int) (string, *Error) {
		return "", copyLine(b, lines[i])
	})
}

// send posts n events that encode writes, in one request.
func (g *gateway) send(ctx context.Context, n int, encode encoder) ([]Outcome, error) {
	if !g.enter() {
		return nil, ErrClosed
	}
	defer g.leave()
	if n == 0 {
		return nil, nil
	}
	outcomes := make([]Outcome, n)
	body, sent := encodeAll(outcomes, encode)
	if len(sent) > 0 {
		answer, err := g.post(ctx, body, len(sent))
		if err != nil {
			return nil, err
		}
		if err := answer.settle(outcomes, sent); err != nil {
			return nil, err
		}
	}
	return outcomes, failures(outcomes)
}

// failures returns a *PartialError of the outcomes that promise nothing, or nil
// when every event is safe.
func failures(outcomes []Outcome) error {
	var failed []Outcome
	for _, o := range outcomes {
		switch o.Status {
		case Stored, Duplicate, Dropped:
		default:
			failed = append(failed, o)
		}
	}
	if failed == nil {
		return nil
	}
	return &PartialError{Failed: failed}
}

// Close waits for the Sends under way until ctx ends, and then ends them.
func (g *gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.signalIdle()
	}
	g.mu.Unlock()
	defer g.release()
	defer g.end()
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter reports whether a Send may begin.
func (g *gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.active++
	return true
}

func (g *gateway) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.signalIdle()
}

func (g *gateway) signalIdle() {
	if g.closed && g.active == 0 {
		close(g.idle)
	}
}
