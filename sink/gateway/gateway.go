// Package gateway sends events to another Daybook: from an edge, which answers
// its callers from its own disk, to the centre that keeps everything. It speaks
// POST /v1/events (docs/protocols.md) through the sender that applications use.
//
// # What travels
//
// Id, name, type, actor, time, metadata, idempotency key and sample rate. The
// centre stores them as events of whoever the [Config].Key belongs to: the edge
// is its caller.
//
// An id is unique within the caller that sent it to the edge, and at the centre
// all of them are one caller. So an id that is not a UUID is sent with its scope
// before it: order-1 of the caller checkout is checkout/order-1 there. A percent
// sign or slash in the scope is escaped, and where the whole has more than 256
// bytes it is sink.RowID instead. Every attempt carries the same id, and two
// edges that were sent the same event by one caller send the same id.
//
// The member _eventLog, in which a gateway notes what was said in the call, does
// not travel: it is the edge's, and a centre takes it from nobody. With it stay
// behind who called LogEvent, and whether that caller wanted the event forwarded
// to Statsig. A centre that forwards to Statsig forwards what an edge sends it
// like any other event; an edge has to leave out by its own rules what must not
// go there. What the edge knows beyond the event (caller, protocol, time of
// receipt) stays behind too: the centre says when it received the event itself.
//
// # Answers
//
// Nil from Write means that the centre has said of every event that it is stored,
// a duplicate of one that is, or dropped by a rule there. How safe that is, the
// centre decides: fsync, unless its operator wanted something else.
//
//	answer                                      class          code
//	an event is stored, duplicate, dropped      –              –
//	an event is refused                         permanent      Invalid, TooLarge; Conflict for another content of its id
//	an event failed                             by its code    Exhausted, Unavailable, Internal, with Retry-After
//	400, 422                                    permanent      Invalid
//	413                                         permanent      TooLarge
//	401                                         misconfigured  Unauthenticated: a wrong key
//	403                                         misconfigured  Denied
//	501, other 3xx and 4xx                      misconfigured  Unimplemented: this is not a gateway
//	429                                         throttled      Exhausted, with Retry-After up to an hour
//	408, 425, other 5xx                         transient      Unavailable, with Retry-After up to an hour
//	none in time, cut off, or not in our words  transient      Unavailable
//	forbidden address, untrusted certificate    misconfigured  Denied
//
// Addresses, redirects and proxies are handled as package webhook says.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/object"
	"daybook.dev/sink/internal/outbound"
)

const where = "gateway"

// Config says where the centre is. URL is required.
type Config struct {
	// URL is the address of the centre's ingest, such as "https://daybook.example.com".
	URL string

	// Key proves to the centre who is sending. Empty sends no proof.
	Key string

	// Plain sends requests as they are. Those above 1 KiB are gzipped otherwise.
	Plain bool

	// AllowPrivate permits a centre on this machine or in a private network.
	AllowPrivate bool

	// Timeout bounds one attempt, within Write's context. Zero means 30s.
	Timeout time.Duration
}

// A Sink sends events to one gateway. It is safe for concurrent use.
type Sink struct {
	sender daybook.Sender
	http   *http.Client
}

var _ daybook.Sink = (*Sink)(nil)

// Open returns the sink. It does no network I/O; an error names the field that
// cannot be right.
func Open(c Config) (*Sink, error) {
	if err := outbound.Check(where, c.URL, c.AllowPrivate); err != nil {
		return nil, err
	}
	s := &Sink{http: outbound.HTTP(c.AllowPrivate)}
	options := daybook.GatewayOptions{Key: c.Key, Client: s.http, Timeout: c.Timeout}
	if c.Plain {
		options.CompressAbove = -1
	}
	var err error
	if s.sender, err = daybook.Gateway(c.URL, options); err != nil {
		return nil, err
	}
	return s, nil
}

// Write sends events in one request. See the package for what its errors mean.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	outgoing := make([]daybook.Event, 0, len(events))
	ids := make([]string, 0, len(events)) // of outgoing, as they are here
	var failed []daybook.Outcome
	for i := range events {
		e, err := travelling(&events[i])
		if err != nil {
			failed = append(failed, sink.Failure(events[i].ID, err))
			continue
		}
		outgoing, ids = append(outgoing, e), append(ids, events[i].ID)
	}
	outcomes, err := s.sender.Send(ctx, outgoing)
	if outcomes == nil && err != nil {
		if unwilling := outbound.Unwilling(where, err); unwilling != nil {
			return unwilling
		}
		return err
	}
	for i, o := range outcomes {
		switch o.Status {
		case daybook.Stored, daybook.Duplicate, daybook.Dropped:
		default:
			failed = append(failed, failure(ids[i], o))
		}
	}
	if failed != nil {
		return &daybook.PartialError{Failed: failed}
	}
	return nil
}

// Close waits for the Writes under way until ctx ends, and then ends them.
func (s *Sink) Close(ctx context.Context) error {
	defer s.http.CloseIdleConnections()
	return s.sender.Close(ctx)
}

// failure returns what became of an event by its id here.
func failure(id string, o daybook.Outcome) daybook.Outcome {
	o.ID = id
	if o.Err == nil {
		o.Err = &daybook.Error{Code: daybook.Unavailable, Where: where, Reason: o.Reason}
	}
	if o.Status == daybook.Refused && daybook.CodeOf(o.Err) == daybook.Internal {
		// A word of a newer gateway. Refused is refused in every version.
		o.Err = &daybook.Error{Code: daybook.Invalid, Where: where, Reason: o.Reason, Err: o.Err}
	}
	return o
}

// travelling returns the event as the centre gets it.
func travelling(e *daybook.Event) (daybook.Event, error) {
	out := *e
	out.ID, out.Origin = idThere(e), nil
	if !mayHaveEnvelope(e.Metadata) {
		return out, nil
	}
	metadata, err := object.AppendCompact(nil, e.Metadata)
	if err != nil || metadata[0] != '{' {
		// The error's own text would show what the metadata says.
		return out, &daybook.Error{
			Code: daybook.Invalid, Where: where, Field: "metadata", Reason: "invalid_json",
			Message: "metadata is not a JSON object in UTF-8, or has a name twice",
		}
	}
	out.Metadata = object.Without(metadata, 0, func(name []byte) bool { return string(name) == object.Envelope })
	return out, nil
}

// mayHaveEnvelope reports whether the metadata has to be looked into: only where
// the name of the member stands in it, or could stand in it in escapes.
func mayHaveEnvelope(metadata json.RawMessage) bool {
	return bytes.Contains(metadata, []byte(object.Envelope)) || bytes.Contains(metadata, []byte(`\u`))
}

// maxID is the longest id a gateway takes, in bytes.
const maxID = 256

// idThere returns the event's id at the centre.
func idThere(e *daybook.Event) string {
	if e.ID == "" || e.Origin == nil || e.Origin.Scope == "" {
		return e.ID
	}
	if len(e.ID) == 36 && uuid.Validate(e.ID) == nil {
		return e.ID // nobody else has it
	}
	id := url.PathEscape(e.Origin.Scope) + "/" + e.ID
	if len(id) > maxID {
		return sink.RowID(e)
	}
	return id
}
