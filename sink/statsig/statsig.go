// Package statsig forwards events to Statsig by its HTTP API, POST
// {base}/v1/log_event, and not by the vendor's SDK: that buffers, and cannot say
// what became of an event.
//
// # What is sent
//
// An event becomes
//
//	eventName    Name
//	user.userID  [Config].Principal, one for all events
//	time         Time in milliseconds; now where there is none
//	metadata     event_id, event_type and actor_id, and the members of Metadata
//
// Statsig's metadata is flat and all text: a member that is not text is sent as
// its JSON, so a number as it was written. The three win over members with
// their names, and _eventLog is never sent. Statsig recognises no copies; whoever
// reads there goes by metadata.event_id. The idempotency key and the sample rate
// are not sent.
//
// Statsig cuts or refuses in silence what is too long. So it is cut here, and
// counted ([Sink.Truncated]): names to 64 characters, and the metadata to 4,096
// as JSON, its longest texts first. The event_id is never cut. Characters are
// counted as JavaScript does.
//
// # Answers
//
// Nil from Write means that Statsig has answered 2xx with {"success":true} to all
// events: it has them, in memory or better; it does not say which.
//
//	answer                                      class          code
//	2xx with "success":true                     –              –
//	2xx with "success":false                    permanent      Invalid
//	2xx without success                         misconfigured  Unimplemented: this is not Statsig
//	401                                         misconfigured  Unauthenticated: a wrong key
//	402, 403, 407, 451                          misconfigured  Denied, Unauthenticated
//	3xx, 404, 405, 406, 410, 411, 414, 415,
//	421, 426, 431                               misconfigured  Unimplemented: a wrong address
//	413                                         permanent      TooLarge
//	409                                         permanent      Conflict
//	other 4xx                                   permanent      Invalid
//	429                                         throttled      Exhausted, with Retry-After up to an hour
//	408, 5xx                                    transient      Unavailable, with Retry-After up to an hour
//	none in time, cut off, or not HTTP          transient      Unavailable
//	forbidden address, untrusted certificate    misconfigured  Denied
//
// Write makes one attempt. After a transient error the events may be there or
// not: sending them again can make copies.
//
// Addresses, redirects and proxies are handled as package webhook says.
package statsig

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/outbound"
)

const where = "statsig"

// Config says with which key, and where to. Key is required.
type Config struct {
	// Key is the server secret key of the project ("secret-…").
	Key string

	// URL is the base of the API. Empty means https://events.statsigapi.net.
	URL string

	// Principal is the user of all events. Empty means "service:events".
	Principal string

	// Plain sends bodies as they are. They are gzipped otherwise.
	Plain bool

	// AllowPrivate permits a URL on this machine or in a private network.
	AllowPrivate bool

	// Timeout bounds one attempt, within Write's context. Zero means 10s.
	Timeout time.Duration
}

const (
	defaultURL       = "https://events.statsigapi.net"
	defaultPrincipal = "service:events"
	path             = "v1/log_event"
)

// A Sink forwards events to one project. It is safe for concurrent use.
type Sink struct {
	client    *outbound.Client
	key       string
	user      []byte // the member "user" of every event
	plain     bool
	truncated atomic.Uint64
}

var _ daybook.Sink = (*Sink)(nil)

// exceptions are where Statsig's contract differs from what a status means
// elsewhere: what is tried again is 408, 429 and 5xx, and nothing else.
var exceptions = map[int]daybook.Code{
	http.StatusNotImplemented: daybook.Unavailable,
	http.StatusTooEarly:       daybook.Invalid,
}

// Open returns the sink. It does no network I/O; an error names the field that
// cannot be right.
func Open(c Config) (*Sink, error) {
	if c.Key == "" || strings.ContainsFunc(c.Key, notInKey) {
		return nil, &daybook.Error{
			Code: daybook.Invalid, Where: where, Field: "key", Reason: "invalid_key",
			Message: "the key is empty, or has a space, a line break or another character no key has",
		}
	}
	address, err := endpoint(c.URL)
	if err != nil {
		return nil, err
	}
	client, err := outbound.Open(outbound.Options{
		Where: where, URL: address, AllowPrivate: c.AllowPrivate, Timeout: c.Timeout, Codes: exceptions, Reply: 4 << 10,
	})
	if err != nil {
		return nil, err
	}
	principal := c.Principal
	if principal == "" {
		principal = defaultPrincipal
	}
	user, err := json.Marshal(map[string]string{"userID": principal})
	if err != nil {
		return nil, err
	}
	return &Sink{client: client, key: c.Key, user: user, plain: c.Plain}, nil
}

func notInKey(r rune) bool { return r <= ' ' || r >= 0x7f }

// endpoint returns where events are posted. What is wrong with an address is
// said by whoever opens it.
func endpoint(base string) (string, error) {
	if base == "" {
		base = defaultURL
	}
	u, err := url.Parse(base)
	if err != nil {
		return base, nil
	}
	if u.RawQuery != "" {
		return "", &daybook.Error{
			Code: daybook.Invalid, Where: where, Field: "url", Reason: "invalid_url",
			Message: "the address must be the base of the API, without a query, such as " + defaultURL,
		}
	}
	return u.JoinPath(path).String(), nil
}

// Write forwards events in one request. See the package for what its errors
// mean. Events that cannot be written as Statsig wants them are named in the
// error when the others have been taken.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	ctx, leave, err := s.client.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if len(events) == 0 {
		return nil
	}
	now := time.Now()
	b := body{text: append(outbound.Buffer(), begin...), user: s.user, now: now}
	var refused []daybook.Outcome
	for i := range events {
		if err := b.add(&events[i]); err != nil {
			refused = append(refused, sink.Failure(events[i].ID, err))
		}
	}
	if b.events > 0 {
		b.text = append(b.text, end...)
		if err := s.post(ctx, b.text, now); err != nil {
			return err
		}
		s.truncated.Add(b.truncated)
	}
	if refused != nil {
		return &daybook.PartialError{Failed: refused}
	}
	return nil
}

// Truncated returns how many events Statsig has taken since Open of which
// something had been cut off.
func (s *Sink) Truncated() uint64 { return s.truncated.Load() }

// Close waits for the Writes under way until ctx ends, and then ends them.
func (s *Sink) Close(ctx context.Context) error { return s.client.Close(ctx) }

// post makes one request and believes only what says that it is Statsig's.
func (s *Sink) post(ctx context.Context, text []byte, now time.Time) error {
	header := http.Header{
		"Content-Type":        {"application/json"},
		"Statsig-Api-Key":     {s.key},
		"Statsig-Client-Time": {strconv.FormatInt(now.UnixMilli(), 10)},
	}
	if !s.plain {
		text = outbound.Gzip(text)
		header["Content-Encoding"] = []string{"gzip"}
	}
	answer, err := s.client.Post(ctx, header, text)
	if err != nil {
		return err
	}
	var reply struct {
		Success *bool `json:"success"`
	}
	switch err := json.Unmarshal(answer, &reply); {
	case err != nil || reply.Success == nil:
		return &daybook.Error{
			Code: daybook.Unimplemented, Where: where, Field: "url", Reason: "bad_reply",
			Message: "what answered is not Statsig: there is no success in the answer",
		}
	case !*reply.Success:
		return &daybook.Error{Code: daybook.Invalid, Where: where, Reason: "not_taken", Message: "Statsig answered that it did not take the events"}
	}
	return nil
}
