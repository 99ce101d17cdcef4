package operations

import (
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

// tail sends events as server-sent events: a reader that was cut off continues
// behind the last id it has seen.
type tail struct {
	events  store.Follower
	streams context.Context
	failed  func(error)
}

func (t *tail) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t.events == nil {
		refuse(w, http.StatusNotImplemented, "unimplemented", "tail is not available: this store cannot be read")
		return
	}
	follow, err := parseFollow(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	ctx, cancel := t.context(r)
	defer cancel()
	from, err := query.Open(ctx, t.events, follow)
	if err != nil {
		t.report(ctx, err)
		refuse(w, http.StatusServiceUnavailable, daybook.CodeOf(err).String(), unreadable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := stream{w: w, control: http.NewResponseController(w)}
	defer stream.release()
	if stream.send(nil) != nil { // the headers now, the first event may take long
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

// context ends with the request, and when the gateway stops.
func (t *tail) context(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	if t.streams == nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(t.streams, cancel)
	return ctx, func() { stop(); cancel() }
}

// A stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte
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
				b = appendEvent(b, e)
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

func appendEvent(b []byte, e store.Entry) []byte {
	b = append(b, "id: "...)
	b = strconv.AppendUint(b, uint64(e.Position), 10)
	b = append(b, "\ndata: "...)
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
// when they connect again, counts before them all.
func parseFollow(r *http.Request) (query.Follow, error) {
	values := r.URL.Query()
	f := query.Follow{}
	if err := parseFrom(&f, values.Get("from")); err != nil {
		return f, err
	}
	if text := values.Get("n"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return f, fmt.Errorf("n: %q is not a number of events", text)
		}
		if n > 0 && (f.Start || !f.Since.IsZero()) {
			return f, errors.New("n: the last events come before now; leave out from, or n")
		}
		f.Last = int(n)
	}
	if text := values.Get("follow"); text != "" {
		follow, err := strconv.ParseBool(text)
		if err != nil {
			return f, fmt.Errorf("follow: %q is neither true nor false", text)
		}
		f.NoFollow = !follow
	}
	for _, text := range []string{r.Header.Get("Last-Event-ID"), values.Get("after")} {
		if text == "" {
			continue
		}
		position, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return f, fmt.Errorf("after: %q is not a position", text)
		}
		after := store.Position(position)
		f.After = &after
		break
	}
	return f, nil
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
