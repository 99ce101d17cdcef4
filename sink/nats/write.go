package nats

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/publish"
)

// Write publishes events and waits until the stream has acknowledged all, or
// until ctx or the sink's timeout ends. Events that were on their way then may
// still be stored.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	// An attempt outlives the caller's patience: acknowledgements are heard, and
	// counted, for as long as the stream may send them.
	open, leave, err := s.gate.Enter(context.Background())
	if err != nil {
		return err
	}
	defer func() { leave() }()
	if err := ctx.Err(); err != nil || len(events) == 0 {
		return explain(err)
	}
	b, writable := publish.Encode(events, s.config.Encoding, &s.meter)
	messages := make([]message, 0, len(writable))
	for _, i := range writable {
		messages = append(messages, message{index: i, msg: s.message(&events[i], b.Messages[i])})
	}
	attempt, cancel := s.alarm.watch(open, s.config.Timeout)
	done, ended := make(chan struct{}), leave
	leave = func() {} // the attempt does that
	go func() {
		defer ended()
		defer context.AfterFunc(open, s.release)() // Close waits no longer
		defer close(done)
		defer cancel()
		for part := range slices.Chunk(messages, s.config.MaxPending) {
			s.publish(ctx, attempt, b, part)
		}
	}()
	select {
	case <-done:
	case <-attempt.Done():
	case <-ctx.Done():
	}
	return b.Result(explain(cmp.Or(ctx.Err(), context.Cause(attempt))))
}

// A message is one event's, with its place in the batch.
type message struct {
	index int
	msg   *client.Msg
	ack   jetstream.PubAckFuture
}

// message returns what is published of an event: nothing of it is the caller's
// memory.
func (s *Sink) message(e *daybook.Event, m sink.Message) *client.Msg {
	header := make(client.Header, len(m.Attributes)+2)
	for key, value := range m.Attributes {
		header[key] = []string{value}
	}
	if id := messageID(e); id != "" {
		header[jetstream.MsgIDHeader] = []string{id}
	}
	if s.config.Stream != "" {
		header[jetstream.ExpectedStreamHeader] = []string{s.config.Stream}
	}
	return &client.Msg{Subject: s.subject.of(e), Data: m.Value, Header: header}
}

// messageID returns what tells the event from all others in its stream: a hash
// of its id and of the scope in which that is unique. An event without an id
// has none and is never taken for another.
func messageID(e *daybook.Event) string {
	if e.ID == "" {
		return ""
	}
	scope := ""
	if e.Origin != nil {
		scope = e.Origin.Scope
	}
	var room [520]byte // that of two texts of the largest size
	key := strconv.AppendInt(room[:0], int64(len(scope)), 10)
	key = append(key, ' ')
	key = append(key, scope...)
	key = append(key, e.ID...)
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:16])
}

// publish sends messages and settles them as their acknowledgements come in. It
// begins only while ctx, the caller's, has not ended.
func (s *Sink) publish(ctx, attempt context.Context, b *publish.Batch, messages []message) {
	if s.enter(ctx, attempt, len(messages)) != nil {
		return // nothing is settled, and Write knows which context it was
	}
	defer s.room.Release(int64(len(messages)))
	for i := range messages {
		m := &messages[i]
		var err error
		if m.ack, err = s.stream.PublishMsgAsync(m.msg); err != nil {
			b.Settle(m.index, s.explain(err))
		}
	}
	var unheard []int // those that no stream answered
	for _, m := range messages {
		if m.ack == nil {
			continue
		}
		switch err := wait(attempt, m.ack); {
		case errors.Is(err, errAbandoned):
		case errors.Is(err, jetstream.ErrNoStreamResponse):
			unheard = append(unheard, m.index)
		default:
			b.Settle(m.index, s.explain(err))
		}
	}
	if len(unheard) > 0 {
		err := s.whyUnheard(attempt)
		for _, i := range unheard {
			b.Settle(i, err)
		}
	}
}

// enter waits for room for n messages until one of the contexts ends.
func (s *Sink) enter(ctx, attempt context.Context, n int) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(attempt, cancel)()
	return s.room.Acquire(waiting, int64(n))
}

// errAbandoned says that an attempt has ended without an acknowledgement.
var errAbandoned = errors.New("abandoned")

// wait returns nil when the stream has acknowledged the message.
func wait(attempt context.Context, ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	default: // what has come counts, whatever the time
	}
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-attempt.Done():
		return errAbandoned
	}
}
