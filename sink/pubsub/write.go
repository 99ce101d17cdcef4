package pubsub

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook.dev"
	"daybook.dev/sink/internal/publish"
	"daybook.dev/sink/internal/rowwise"
)

// Write publishes events and waits until Pub/Sub has acknowledged all, or until
// ctx or the sink's timeout ends. Events of a request that was cut off then may
// have been published.
func (s *Sink) Write(ctx context.Context, events []daybook.Event) error {
	open, leave, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := ctx.Err(); err != nil || len(events) == 0 {
		return explain(err)
	}
	b, writable := publish.Encode(events, s.config.Encoding, &s.meter)
	messages := make([]message, 0, len(writable))
	for _, i := range writable {
		m, err := s.message(i, &events[i], b.Messages[i])
		if err != nil {
			b.Settle(i, err)
			continue
		}
		messages = append(messages, m)
	}
	attempt, cancel := context.WithTimeout(open, s.config.Timeout)
	defer cancel()
	s.publishAll(attempt, b, byKey(messages))
	return b.Result(explain(attempt.Err()))
}

// publishAll publishes groups at the same time, as far as there is room, and
// waits for all.
func (s *Sink) publishAll(ctx context.Context, b *publish.Batch, groups [][]message) {
	var publishing sync.WaitGroup
	defer publishing.Wait()
	for _, group := range groups {
		if s.room.Acquire(ctx, 1) != nil {
			return // nothing more is settled
		}
		publishing.Go(func() {
			defer s.room.Release(1)
			s.publishGroup(ctx, b, group)
		})
	}
}

// publishGroup publishes the messages of one ordering key, in order, and settles
// them. After a failure that may pass nothing more is sent: it would overtake.
func (s *Sink) publishGroup(ctx context.Context, b *publish.Batch, group []message) {
	var failed error
	send := func(part []message) (suspects []message) {
		err := failed
		if err == nil {
			err = s.request(ctx, part)
		}
		if publish.Permanent(err) {
			if len(part) > 1 {
				return part
			}
		} else {
			failed = err
		}
		for _, m := range part {
			b.Settle(m.index, err)
		}
		return nil
	}
	for _, part := range rowwise.Divide(group, message.bytes, maxRequestMessages, maxRequestBytes-overhead) {
		publish.Isolate(send(part), send)
	}
}

// retries are those of a request within one Write.
const retries = 2

func backoff(tries int) time.Duration { return 100 * time.Millisecond << tries }

// request publishes messages in one request. An error is one of ours.
func (s *Sink) request(ctx context.Context, messages []message) error {
	request := &pubsubpb.PublishRequest{Topic: s.config.name(), Messages: make([]*pubsubpb.PubsubMessage, len(messages))}
	for i, m := range messages {
		request.Messages[i] = m.pb
	}
	for tries := 0; ; tries++ {
		_, err := s.client.Publish(ctx, request, gax.WithRetry(nil)) // ours know the last cause
		if status.Code(err) != codes.Unavailable || tries == retries {
			return explain(err)
		}
		select {
		case <-ctx.Done():
			return explain(err)
		case <-time.After(backoff(tries)):
		}
	}
}
