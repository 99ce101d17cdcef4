// Package webhook posts events to a URL, signed as Standard Webhooks describes
// (https://www.standardwebhooks.com), so that a receiver can check who sent them
// with a library it has, or with the few lines of the example.
//
// # Requests
//
// A Write is one request with all its events in the body, or with the form
// [Single] one request for each, one after the other. Beside what is configured
// there are the headers
//
//	webhook-id         the same at every attempt with the same events: see below
//	webhook-timestamp  when this attempt was made, in seconds since 1970
//	webhook-signature  "v1,…" for each secret, separated by spaces
//
// What is signed is "id.timestamp.body", the body as it is sent: gzipped where
// that is configured.
//
// With the form Single the webhook-id is sink.RowID of the event: its id where
// that is a UUID, else a UUID made of the id and the scope it is unique in. Of
// several events it is a hash of theirs. Receivers that want each event once
// look at the event's own id, which every encoding has: the next attempt may
// come with other neighbours and so under another webhook-id.
//
// # Answers
//
// Nil from Write means that the receiver has answered 2xx to every request,
// whatever the body of its answer said. What it has done with the events is its
// own affair; a receiver should answer after it has stored them.
//
//	answer                                     class          code
//	2xx                                        –              –
//	401, 407                                   misconfigured  Unauthenticated
//	402, 403, 451                              misconfigured  Denied
//	3xx, 404, 405, 406, 410, 411, 414, 415,
//	421, 426, 431, 501                         misconfigured  Unimplemented
//	413                                        permanent      TooLarge
//	409                                        permanent      Conflict
//	other 4xx                                  permanent      Invalid
//	429                                        throttled      Exhausted, with Retry-After up to an hour
//	408, 425, other 5xx                        transient      Unavailable, with Retry-After up to an hour
//	none in time, or none that is HTTP         transient      Unavailable
//	forbidden address, untrusted certificate   misconfigured  Denied
//
// Redirects are not followed: the operator has named the receiver, nobody else
// does. A permanent answer to several events says nothing about each of them.
//
// # Addresses
//
// The sink connects to addresses of the public internet only, unless
// [Config].AllowPrivate is set, and never to those where clouds keep the
// credentials of their machines. What counts is what a name resolves to when the
// connection is made. Proxies are not used.
package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/outbound"
)

const where = "webhook"

// Config says where to post, and how. URL is required.
type Config struct {
	// URL is where to post: http or https. A user in it is sent as Basic
	// authentication.
	URL string

	// Secrets sign every request, each for itself, so that a receiver which
	// knows one of them is content: to change one, add the new one, wait until
	// receivers have it, then remove the old one. Each is "whsec_" and the
	// base64 of 24 to 64 random bytes. Empty means that nothing is signed, and
	// receivers cannot know who has sent a request.
	Secrets []string

	// Form is how events stand in a body. Empty means Array.
	Form Form

	// Encoding writes an event. Nil means sink.Flat. Forms other than Single
	// need one that writes JSON; attributes of its messages are not sent,
	// except that content-type becomes the header.
	Encoding sink.Encoding

	// Header is sent with every request. It may set Content-Type, but nothing
	// that this package or HTTP itself sets.
	Header map[string]string

	// Gzip compresses bodies, and says so as Content-Encoding.
	Gzip bool

	// AllowPrivate permits receivers on this machine and in private networks.
	AllowPrivate bool

	// Timeout bounds one request, within Write's context. Zero means 10s.
	Timeout time.Duration
}

// A Sink posts events to one URL. It is safe for concurrent use.
type Sink struct {
	client   *outbound.Client
	secrets  []secret
	form     Form
	encoding sink.Encoding
	header   http.Header
	gzip     bool
}

var _ daybook.Sink = (*Sink)(nil)

// Open returns the sink. It does no network I/O; an error names the field that
// cannot be right.
func Open(c Config) (*Sink, error) {
	s := &Sink{form: c.Form, encoding: c.Encoding, gzip: c.Gzip}
	if s.form == "" {
		s.form = Array
	}
	if !s.form.known() {
		return nil, invalid("form", fmt.Sprintf("there is no form %q; write array, lines or single", c.Form))
	}
	if s.encoding == nil {
		s.encoding = sink.Flat{}
	}
	var err error
	if s.secrets, err = parseSecrets(c.Secrets); err != nil {
		return nil, err
	}
	if s.header, err = parseHeader(c.Header); err != nil {
		return nil, err
	}
	s.client, err = outbound.Open(outbound.Options{Where: where, URL: c.URL, AllowPrivate: c.AllowPrivate, Timeout: c.Timeout})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Write posts events. See the package for what its errors mean. With the form
// Single, events are posted in order, and an error that may pass ends that: the
// events behind it are not posted.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	ctx, leave, err := s.client.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if len(events) == 0 {
		return nil
	}
	if s.form == Single {
		return s.postEach(ctx, events)
	}
	return s.postAll(ctx, events)
}

// Close waits for the Writes under way until ctx ends, and then ends them.
func (s *Sink) Close(ctx context.Context) error { return s.client.Close(ctx) }

// postAll posts events in one request. Those that have no encoding are named
// in the error, when the others have been taken.
func (s *Sink) postAll(ctx context.Context, events []daybook.Event) error {
	b := body{text: outbound.Buffer(), form: s.form}
	var refused []daybook.Outcome
	for i := range events {
		if err := b.add(s.encoding, &events[i], i); err != nil {
			refused = append(refused, sink.Failure(events[i].ID, err))
		}
	}
	if b.events > 0 {
		b.end()
		if err := s.post(ctx, b.id(), b.contentType(), b.text); err != nil {
			return err
		}
	}
	if refused != nil {
		return &daybook.PartialError{Failed: refused}
	}
	return nil
}

// postEach posts events one by one.
func (s *Sink) postEach(ctx context.Context, events []daybook.Event) error {
	var failed []daybook.Outcome
	for i := range events {
		b := body{text: outbound.Buffer(), form: Single}
		err := b.add(s.encoding, &events[i], i)
		if err == nil {
			err = s.post(ctx, b.id(), b.contentType(), b.text)
		}
		switch {
		case err == nil:
		case sink.Permanent(err):
			failed = append(failed, sink.Failure(events[i].ID, err))
		case i == 0:
			return err // none was taken
		default:
			// Those behind it would fail as it did, or arrive before it.
			for j := i; j < len(events); j++ {
				failed = append(failed, sink.Failure(events[j].ID, err))
			}
			return &daybook.PartialError{Failed: failed}
		}
	}
	if failed != nil {
		return &daybook.PartialError{Failed: failed}
	}
	return nil
}

// post makes one request.
func (s *Sink) post(ctx context.Context, id, contentType string, text []byte) error {
	header := s.header.Clone()
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentType)
	}
	if s.gzip {
		text = outbound.Gzip(text)
		header.Set("Content-Encoding", "gzip")
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	header.Set(headerID, id)
	header.Set(headerTimestamp, timestamp)
	if len(s.secrets) > 0 {
		header.Set(headerSignature, sign(s.secrets, id, timestamp, text))
	}
	_, err := s.client.Post(ctx, header, text)
	return err
}

func invalid(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: "invalid_value", Message: message}
}
