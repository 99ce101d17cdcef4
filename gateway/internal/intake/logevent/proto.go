package logevent

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// messagesPerLevel is how many messages of Protocol Buffers one level of JSON
// takes: a Value, its Struct, and the entry of the Struct's map.
const messagesPerLevel = 3

// binary reads messages no deeper than the limit on metadata can be, so that
// hostile nesting is refused before it is walked.
var binary = proto.UnmarshalOptions{RecursionLimit: (maxDepth + 2) * messagesPerLevel, DiscardUnknown: true}

// protoWeight is how many bytes the generated messages take for each byte of a
// hostile request, the growth of their slices included: a Value that holds an
// empty object is four bytes on the wire and more than a hundred in memory.
const protoWeight = 64

// decodeProto reads a request from Protocol Buffers' binary form.
func (s *Service) decodeProto(body []byte) call {
	lease := s.Budget.Lease()
	defer lease.Release()
	if err := lease.Grow(protoWeight * int64(len(body))); err != nil {
		return call{shed: err}
	}
	var m eventsv1.LogEventRequest
	if err := binary.Unmarshal(body, &m); err != nil {
		return call{refused: refusal("", reasonInvalidProtobuf, "the request is not a valid events.v1.LogEventRequest")}
	}
	r := request{
		name:      text{value: m.GetEventName(), given: true},
		typ:       text{value: m.GetEventType(), given: m.EventType != nil},
		actor:     text{value: m.GetActorId(), given: m.ActorId != nil},
		key:       text{value: m.GetIdempotencyKey(), given: m.IdempotencyKey != nil},
		storeOnly: m.ForwardToStatsig != nil && !m.GetForwardToStatsig(),
	}
	if m.EventTs != nil {
		if err := m.GetEventTs().CheckValid(); err != nil {
			return call{refused: refusal("event_ts", reasonInvalidTime, "event_ts is outside the years 0001 to 9999")}
		}
		r.time, r.timeGiven = m.GetEventTs().AsTime(), true
	}
	c := call{request: r}
	if m.Metadata != nil {
		_, c.request.reserved = m.GetMetadata().GetFields()[admit.EnvelopeKey]
		c.request.keys = len(m.GetMetadata().GetFields())
		c.request.metadata, c.refused = appendStruct(nil, m.GetMetadata(), 1)
	}
	return c
}

// appendStruct appends s as compact JSON. Its members are sorted: the order on
// the wire means nothing, and two copies of one event must be the same bytes.
func appendStruct(dst []byte, s *structpb.Struct, level int) ([]byte, *daybook.Error) {
	if level > maxDepth {
		return dst, tooDeep()
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(s.GetFields())) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuote(dst, name), ':')
		var err *daybook.Error
		if dst, err = appendValue(dst, s.GetFields()[name], level+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func appendList(dst []byte, l *structpb.ListValue, level int) ([]byte, *daybook.Error) {
	if level > maxDepth {
		return dst, tooDeep()
	}
	dst = append(dst, '[')
	for i, v := range l.GetValues() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err *daybook.Error
		if dst, err = appendValue(dst, v, level+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendValue appends v; level is the one that an object or array would have.
func appendValue(dst []byte, v *structpb.Value, level int) ([]byte, *daybook.Error) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		return append(dst, "null"...), nil
	case *structpb.Value_BoolValue:
		return fmt.Append(dst, kind.BoolValue), nil
	case *structpb.Value_StringValue:
		return appendQuote(dst, kind.StringValue), nil
	case *structpb.Value_NumberValue:
		return appendNumber(dst, kind.NumberValue)
	case *structpb.Value_StructValue:
		return appendStruct(dst, kind.StructValue, level)
	case *structpb.Value_ListValue:
		return appendList(dst, kind.ListValue, level)
	}
	return dst, refusal("metadata", reasonInvalidValue, "metadata holds a value of no kind")
}

func appendNumber(dst []byte, n float64) ([]byte, *daybook.Error) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return dst, refusal("metadata", reasonInvalidNumber, "metadata holds a number that JSON has no form for")
	}
	return append(dst, jsontext.Float(n).String()...), nil
}

func tooDeep() *daybook.Error {
	return refusal("metadata", strictjson.TooDeep, fmt.Sprintf("metadata is nested deeper than %d levels", maxDepth))
}
