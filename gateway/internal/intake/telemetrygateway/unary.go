package telemetrygateway

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/wirejson"
)

var singleShape = shapeOf(&telemetrygatewayv1.RecordEventRequest{})

// The numbers of RecordEventRequest's fields.
const (
	singleMetadata protowire.Number = 1
	singleEvent    protowire.Number = 2
)

// A single is the request of RecordEvent, in its binary form.
type single struct{ wire []byte }

// A stored is the answer of RecordEvent: the event is.
type stored struct{}

func (s *Service) recordEvent(ctx context.Context, r *connect.Request[single]) (*connect.Response[stored], error) {
	v := visitOf(ctx)
	v.taken = true
	var o daybook.Outcome
	problem := v.body.decoded(len(r.Msg.wire))
	if problem == nil {
		o, problem = s.single(ctx, v, r.Msg.wire)
	}
	if problem != nil {
		s.TurnedAway(Protocol, v.header, problem)
		return nil, intake.RPCError(problem)
	}
	if err := singleError(&o); err != nil {
		return nil, err
	}
	answer := connect.NewResponse(&stored{})
	answer.Header()[intake.DurabilityHeader] = []string{s.Durability.String()}
	return answer, nil
}

// single stores the one event of a request. An error means that nothing was
// looked at.
func (s *Service) single(ctx context.Context, v *visit, wire []byte) (o daybook.Outcome, problem *daybook.Error) {
	var f wirejson.Fields
	if singleShape.Parse(wire, &f) != nil {
		return o, invalid("", reasonInvalidProtobuf, "the request is not a valid telemetrygateway.v1.RecordEventRequest")
	}
	if !f[singleEvent].Set {
		return o, invalid("event", reasonMissingEvent, "event is required")
	}
	claim, problem := claimOf(f[singleMetadata].Bytes)
	if problem != nil {
		return o, problem
	}
	if claim.kind != managedService {
		return o, errUnknownIdentifier
	}
	who, problem := claim.prove(ctx, s.senders(), v.header["Authorization"])
	if problem != nil {
		return o, problem
	}
	d := decoder{private: s.Private.current(), public: who.caller.Public}
	b := newBatch(s, &who, intake.RequestIDOf(v.header))
	defer b.lease.Release()
	if problem := b.add(d.event(f[singleEvent].Bytes), len(wire)); problem != nil {
		return o, problem
	}
	o = b.outcomes(ctx)[0]
	if observe := s.Observe.Payload; observe != nil {
		yes := 0
		if succeeded(who.source, &o) {
			yes = 1
		}
		observe(who.source, 1, yes)
	}
	return o, nil
}

// singleError is the error of a call whose event its sender is not done with.
func singleError(o *daybook.Outcome) error {
	if succeeded(ManagedService, o) {
		return nil
	}
	e := intake.ErrorOf(o)
	if e == nil {
		e = &daybook.Error{Code: daybook.Internal, Message: "nobody knows what became of the event"}
	}
	switch {
	case errors.Is(o.Err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New(e.Message))
	case o.Status == daybook.Refused, e.Reason == caller.ReasonQuota:
		return intake.RPCError(e)
	}
	wire := *e
	wire.Code = daybook.Internal // the contract's word for whatever the store failed for
	return intake.RPCError(&wire)
}
