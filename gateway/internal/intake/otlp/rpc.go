package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// RPCHandler returns the handler of RPCPath: gRPC, gRPC-Web and Connect, with
// messages of at most maxMessage bytes, compressed or not.
func (s *Service) RPCHandler(maxMessage int) http.Handler {
	refuse := func(err *daybook.Error) error { return s.rpcError(nil, err) }
	options := append(intake.ChargedRPCOptions(maxMessage, s.Budget, refuse),
		connect.WithCodec(codec{"proto", inProto}),
		connect.WithCodec(codec{"json", inJSON}),
		connect.WithCodec(codec{"json; charset=utf-8", inJSON}),
	)
	rpc := connect.NewUnaryHandler(RPCPath, s.serveRPC, options...)
	writer := connect.NewErrorWriter(options...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.Enter(Protocol, r)
		if err != nil {
			s.TurnedAway(Protocol, r.Header, err)
			_ = writer.Write(w, r, s.rpcError(nil, err)) // a client that went away is not our failure
			return
		}
		body := intake.NewRPCBody(r, s.Budget, int64(maxMessage), refuse)
		defer body.Lease.Release()
		v := visit{who: who, body: body}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, &v))
		r.Body = body
		rpc.ServeHTTP(w, r)
		if !v.taken {
			err := body.Untaken(r)
			s.Wasted(who, body.Received(), err)
			s.TurnedAway(Protocol, r.Header, err)
		}
	})
}

// visitKey is where the context of a call through connect-go has its visit.
type visitKey struct{}

// A visit is what we know of a call while connect-go has it.
type visit struct {
	who   caller.Caller
	body  *intake.RPCBody
	taken bool // the call reached us
}

func (s *Service) serveRPC(ctx context.Context, r *connect.Request[raw]) (*connect.Response[raw], error) {
	v, _ := ctx.Value(visitKey{}).(*visit) // RPCHandler put it there
	v.taken = true
	var outcomes []daybook.Outcome
	err := v.body.Decoded(int64(len(r.Msg.bytes)))
	if err == nil {
		outcomes, err = s.export(ctx, v.who, *r.Msg, v.body.Lease.Grow, r.Header())
	}
	if err != nil {
		s.TurnedAway(Protocol, r.Header(), err)
	}
	if intake.StatusOf(outcomes, err) != http.StatusOK {
		return nil, s.rpcError(outcomes, err)
	}
	answer := connect.NewResponse(&raw{response(r.Msg.encoding, outcomes), r.Msg.encoding})
	intake.SetHeaders(answer.Header(), http.StatusOK, s.Durability, outcomes, nil)
	return answer, nil
}

// rpcError is a failure as connect-go writes it. Its detail RetryInfo is how
// OTLP's clients are told that sending the request again helps, and when.
func (s *Service) rpcError(outcomes []daybook.Outcome, err *daybook.Error) error {
	f := failureOf(outcomes, err)
	wire := connect.NewError(f.code, errors.New(f.message))
	intake.SetHeaders(wire.Meta(), intake.StatusOf(outcomes, err), s.Durability, outcomes, err)
	if f.retryAfter > 0 {
		if detail, err := connect.NewErrorDetail(retryInfoOf(f.retryAfter)); err == nil {
			wire.AddDetail(detail)
		}
	}
	return wire
}

func retryInfoOf(after time.Duration) *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: retryInfo(after)}
}

// A raw is a message in bytes: connect-go carries requests and answers as they
// are, and decoding them is the same as over plain HTTP.
type raw struct {
	bytes    []byte
	encoding encoding
}

// A codec carries messages of one encoding.
type codec struct {
	name     string
	encoding encoding
}

// Name implements connect.Codec.
func (c codec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (c codec) Marshal(message any) ([]byte, error) {
	switch m := message.(type) {
	case *raw:
		return m.bytes, nil
	case proto.Message: // the status of gRPC, with the details of an error
		return proto.Marshal(m)
	}
	return nil, fmt.Errorf("otlp: cannot encode a %T", message)
}

// Unmarshal implements connect.Codec. Connect-go uses the body's memory again.
func (c codec) Unmarshal(body []byte, message any) error {
	into, ok := message.(*raw)
	if !ok {
		return fmt.Errorf("otlp: cannot decode a %T", message)
	}
	*into = raw{slices.Clone(body), c.encoding}
	return nil
}
