package operations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
)

const (
	// keepAlive is shorter than the idle time-outs of common proxies.
	keepAlive = 15 * time.Second

	// writeWithin is how long a reader may stay stuck before it is given up.
	writeWithin = 30 * time.Second
)

// otherStore is the comment for a reader that comes back from another store.
const otherStore = ": the gateway has another store than before; this one is shown from its oldest event\n\n"

// tail sends events as server-sent events: a reader that was cut off continues
// behind the last id it has seen.
type tail struct {
	events  store.Follower
	store   string // its name, for ids
	streams context.Context
	failed  func(error)
}

// tailing returns the route of tail, or what says that there is none.
func tailing(o Options) http.Handler {
	if o.Events == nil {
		return notAvailable("tail is", o.Direct)
	}
	return &tail{events: o.Events, store: o.Store, streams: o.Streams, failed: o.Failed}
}

func (t *tail) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	follow, other, err := t.parseFollow(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	ctx, cancel := endedBy(r.Context(), t.streams) // with the reader, and when the gateway stops
	defer cancel()
	from, err := query.Open(ctx, t.events, follow)
	if err != nil {
		t.report(ctx, err)
		refuse(w, http.StatusServiceUnavailable, daybook.CodeOf(err).String(), unreadable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := stream{w: w, control: http.NewResponseController(w), store: t.store}
	defer stream.release()
	if stream.open(from, other, !follow.NoFollow) != nil {
		return
	}
	t.report(ctx, stream.follow(ctx, from))
}

const unreadable = "the events cannot be read now; the gateway's log says why"

// report hands on an error of the store. That the reader left or the gateway
// stops is none.
func (t *tail) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && t.failed != nil {
		t.failed(err)
	}
}

// A stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	store   string
	buffer  []byte
}

// open sends the headers now, for the first event may take long. Who follows is
// told the place too: a connection that is lost before the first event is
// continued from there.
func (s *stream) open(from *query.Tail, other, follows bool) error {
	var b []byte
	if other {
		b = append(b, otherStore...)
	}
	if follows {
		b = place{s.store, from.Position()}.appendTo(b)
		b = append(b, '\n')
	}
	return s.send(b)
}

// release gives the connection back without the deadline, which would count for
// the next request on it.
func (s *stream) release() { _ = s.control.SetWriteDeadline(time.Time{}) }

// follow sends what the tail returns until it ends or the reader is gone. The
// error is the store's.
func (s *stream) follow(ctx context.Context, from *query.Tail) error {
	for {
		entries, err := nextWithin(ctx, from, keepAlive)
		b := s.buffer[:0]
		switch {
		case err == nil:
			for _, e := range entries {
				b = s.appendEvent(b, e)
			}
		case errors.Is(err, io.EOF):
			_ = s.send(append(b, "event: end\ndata: {}\n\n"...)) // the last word either way
			return nil
		case ctx.Err() != nil:
			return nil // the reader left, or the gateway stops and the reader comes back with the last id
		case errors.Is(err, context.DeadlineExceeded):
			b = append(b, ": keep-alive\n\n"...)
		default:
			return err
		}
		if s.send(b) != nil {
			return nil
		}
		s.buffer = b
	}
}

// nextWithin is from.Next with a time limit, whose error is DeadlineExceeded.
func nextWithin(ctx context.Context, from *query.Tail, limit time.Duration) ([]store.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return from.Next(ctx)
}

func (s *stream) appendEvent(b []byte, e store.Entry) []byte {
	b = place{s.store, e.Position}.appendTo(b)
	b = append(b, "data: "...)
	b = query.AppendRow(b, e)
	return append(b, "\n\n"...)
}

func (s *stream) send(b []byte) error {
	// A connection that knows no deadlines is only found in tests.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.control.Flush()
}

// parseFollow reads the query parameters. Last-Event-ID, which browsers send
// when they connect again, counts before them all. Other says that it is of
// another store.
func (t *tail) parseFollow(r *http.Request) (f query.Follow, other bool, err error) {
	values := r.URL.Query()
	if err := parseFrom(&f, values.Get("from")); err != nil {
		return f, false, err
	}
	if text := values.Get("n"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return f, false, fmt.Errorf("n: %q is not a number of events", text)
		}
		if n > 0 && (f.Start || !f.Since.IsZero()) {
			return f, false, errors.New("n: the last events come before now; leave out from, or n")
		}
		f.Last = int(n)
	}
	if text := values.Get("follow"); text != "" {
		follow, err := strconv.ParseBool(text)
		if err != nil {
			return f, false, fmt.Errorf("follow: %q is neither true nor false", text)
		}
		f.NoFollow = !follow
	}
	seen := cmp.Or(r.Header.Get("Last-Event-ID"), values.Get("after"))
	if seen == "" {
		return f, false, nil
	}
	p, err := parsePlace(seen)
	if err != nil {
		return f, false, err
	}
	after, other := p.in(t.store)
	f.After = &after
	return f, other, nil
}

func parseFrom(f *query.Follow, text string) error {
	switch text {
	case "", "now":
		return nil
	case "start":
		f.Start = true
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("from: %q is not start, now or a time such as 2026-01-31T12:00:00Z", text)
	}
	f.Since = at
	return nil
}
