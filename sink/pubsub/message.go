package pubsub

import (
	"fmt"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"daybook.dev"
	"daybook.dev/sink"
)

// What Pub/Sub takes: https://cloud.google.com/pubsub/quotas#resource_limits.
const (
	maxRequestBytes    = 10_000_000
	maxRequestMessages = 1000
	maxAttributes      = 100
	maxAttributeKey    = 256
	maxAttributeValue  = 1024
	maxOrderingKey     = 1024
)

// eventID is the attribute by which subscribers tell copies.
const eventID = "event_id"

// A message is one event's, with its place in the batch.
type message struct {
	index int
	size  int // of the message, and what it adds to a request
	pb    *pubsubpb.PubsubMessage
}

func (m message) bytes() int { return m.size }

// message returns what is published of event i: nothing of it is the caller's
// memory. An error says why Pub/Sub would not take it.
func (s *Sink) message(i int, e *daybook.Event, m sink.Message) (message, error) {
	pb := &pubsubpb.PubsubMessage{Data: m.Value, Attributes: m.Attributes}
	if pb.Attributes == nil && e.ID != "" {
		pb.Attributes = map[string]string{eventID: e.ID}
	}
	if s.config.OrderingKey == OrderingActor {
		pb.OrderingKey = e.Actor
	}
	// Counted by hand: each text has a tag and a length of 5 bytes at most.
	const field, entry = 6, 18
	size := field + field + len(pb.Data) + field + len(pb.OrderingKey)
	for key, value := range pb.Attributes {
		size += entry + len(key) + len(value)
	}
	return message{index: i, size: size, pb: pb}, fits(pb, size)
}

// fits returns nil when Pub/Sub takes the message. It names attributes, and
// never says what they hold.
func fits(pb *pubsubpb.PubsubMessage, size int) error {
	if size > maxRequestBytes-overhead {
		return tooLong("message_too_large", "the message takes", size, maxRequestBytes-overhead)
	}
	if len(pb.Attributes) > maxAttributes {
		return &daybook.Error{
			Code: daybook.Invalid, Where: where, Reason: "message_refused",
			Message: fmt.Sprintf("the message has %d attributes, and Pub/Sub takes %d", len(pb.Attributes), maxAttributes),
		}
	}
	if len(pb.OrderingKey) > maxOrderingKey {
		return tooLong("message_refused", "the ordering key takes", len(pb.OrderingKey), maxOrderingKey)
	}
	for key, value := range pb.Attributes {
		if len(key) > maxAttributeKey {
			return tooLong("message_refused", "an attribute's name takes", len(key), maxAttributeKey)
		}
		if len(value) > maxAttributeValue {
			return tooLong("message_refused", fmt.Sprintf("attribute %q takes", key), len(value), maxAttributeValue)
		}
	}
	return nil
}

func tooLong(reason, what string, size, limit int) error {
	code := daybook.Invalid
	if reason == "message_too_large" {
		code = daybook.TooLarge
	}
	return &daybook.Error{
		Code: code, Where: where, Reason: reason,
		Message: fmt.Sprintf("%s %d bytes, and Pub/Sub takes %d", what, size, limit),
	}
}

// overhead is what a request takes besides its messages, at most.
const overhead = 1024

// byKey returns messages grouped by ordering key, in order: a request has those
// of one key only.
func byKey(messages []message) [][]message {
	index := map[string]int{}
	var groups [][]message
	for _, m := range messages {
		i, ok := index[m.pb.OrderingKey]
		if !ok {
			i = len(groups)
			index[m.pb.OrderingKey] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}
