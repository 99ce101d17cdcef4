package telemetrygateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"daybook.dev"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake"
)

// calls are the handlers that connect-go makes, by their paths.
func (s *Service) calls() map[string]http.Handler {
	options := append(intake.ChargedRPCOptions(s.maxMessage(), s.Budget, nil),
		connect.WithCodec(codec{"proto", fromProto}),
		connect.WithCodec(codec{"json", s.fromJSON}),
		connect.WithCodec(codec{"json; charset=utf-8", s.fromJSON}),
	)
	return map[string]http.Handler{
		recordEvent: connect.NewUnaryHandler(recordEvent, s.recordEvent, options...),
		recordEvents: connect.NewBidiStreamHandler(recordEvents, func(ctx context.Context, st *connect.BidiStream[inbound, response]) error {
			return s.recordEvents(ctx, st.Conn())
		}, options...),
	}
}

// visitKey is where the context of a call has its visit.
type visitKey struct{}

// A visit is what we know of a call while connect-go has it.
type visit struct {
	header http.Header
	body   body
	taken  bool // the call reached us
}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit) // serve put it there
	return v
}

// serve lets connect-go answer a call and charges what it reads. What connect-go
// refuses by itself never reaches us, and is reported here.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, call http.Handler) {
	v := &visit{header: r.Header}
	v.body = body{ReadCloser: r.Body, lease: s.Budget.Lease(), limit: strangerBytes + frameBytes}
	if r.URL.Path == recordEvent { // it says who it is in the same message
		v.body.limit = int64(s.maxMessage()) + frameBytes
	} else {
		v.body.peer = newPeer(w, s.introduction(), s.idle())
	}
	defer v.body.lease.Release()
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	r.Body = &v.body
	call.ServeHTTP(w, r)
	if !v.taken {
		s.TurnedAway(Protocol, v.header, untaken(r, &v.body))
	}
}

// untaken is why connect-go did not hand a call on, as far as can be seen from
// outside.
func untaken(r *http.Request, b *body) *daybook.Error {
	if r.Method != http.MethodPost {
		return &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonMethodNotAllowed}
	}
	return callError(nil, b)
}

// callError is why connect-go gave up on what it was reading.
func callError(err error, b *body) *daybook.Error {
	switch {
	case b.refused != nil:
		return b.refused
	case b.broken != nil:
		return &daybook.Error{Code: daybook.Invalid, Reason: intake.ReasonBodyIncomplete, Message: "the call could not be read to its end", Err: b.broken}
	}
	e := &daybook.Error{Code: daybook.Invalid, Reason: reasonInvalidCall, Message: "the call is not a valid one"}
	if wire, ok := errors.AsType[*connect.Error](err); ok {
		e.Message = wire.Message()
		if wire.Code() == connect.CodeResourceExhausted {
			e.Code = daybook.TooLarge
		}
	}
	return e
}

// A codec lets connect-go carry our messages as they are, without the generated
// ones, which cost more than everything else about an event.
type codec struct {
	name string
	// decode makes the binary form of a request's message, of the type of m, which
	// is only there to name it.
	decode func(body []byte, m proto.Message) ([]byte, error)
}

// Name implements connect.Codec.
func (c codec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (c codec) Marshal(message any) ([]byte, error) {
	switch m := message.(type) {
	case *response:
		return c.encode(m.succeeded, new(telemetrygatewayv1.RecordEventsResponse))
	case *stored:
		return c.encode(nil, new(telemetrygatewayv1.RecordEventResponse))
	case proto.Message: // the status of gRPC
		return proto.Marshal(m)
	}
	return nil, fmt.Errorf("telemetrygateway: cannot encode a %T", message)
}

// encode writes a message, of the type of m, that is there in its binary form.
func (c codec) encode(wire []byte, m proto.Message) ([]byte, error) {
	if c.name == "proto" {
		return wire, nil
	}
	if err := proto.Unmarshal(wire, m); err != nil {
		return nil, err
	}
	return protojson.Marshal(m)
}

// Unmarshal implements connect.Codec.
func (c codec) Unmarshal(body []byte, message any) error {
	switch m := message.(type) {
	case *inbound:
		wire, err := c.decode(body, new(telemetrygatewayv1.RecordEventsRequest))
		if err == nil {
			m.take(wire)
		}
		return err
	case *single:
		wire, err := c.decode(body, new(telemetrygatewayv1.RecordEventRequest))
		m.wire = bytes.Clone(wire)
		return err
	}
	return fmt.Errorf("telemetrygateway: cannot decode a %T", message)
}

func fromProto(body []byte, _ proto.Message) ([]byte, error) { return body, nil }

// jsonWeight is how many bytes the generated messages take for each byte of JSON,
// at worst: an empty event is two bytes, and more than a hundred in memory.
const jsonWeight = 64

// fromJSON makes the binary form by way of the generated messages: JSON is for
// people with curl.
func (s *Service) fromJSON(body []byte, m proto.Message) ([]byte, error) {
	lease := s.Budget.Lease()
	defer lease.Release()
	if err := lease.Grow(jsonWeight * int64(len(body))); err != nil {
		return nil, intake.RPCError(err)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, m); err != nil {
		return nil, err
	}
	return proto.Marshal(m)
}

// A response is the answer to a payload: RecordEventsResponse in its binary form.
type response struct{ succeeded []byte }
