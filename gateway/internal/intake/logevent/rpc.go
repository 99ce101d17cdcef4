package logevent

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// rpcHandler returns the handler that connect-go makes for the call: every
// protocol and encoding it knows, with our decoding and rendering. turnAway answers
// a call that is refused before it is read, in the same protocols.
func (s *Service) rpcHandler() (rpc http.Handler, turnAway func(http.ResponseWriter, *http.Request, *daybook.Error)) {
	options := append(intake.ChargedRPCOptions(maxMessage, s.Budget, connectError),
		connect.WithCodec(codec{name: "proto", decode: s.decodeProto, encode: encodeProto}),
		connect.WithCodec(codec{name: "json", decode: s.decodeJSON, encode: encodeJSON}),
		connect.WithCodec(codec{name: "json; charset=utf-8", decode: s.decodeJSON, encode: encodeJSON}),
	)
	writer := connect.NewErrorWriter(options...)
	turnAway = func(w http.ResponseWriter, r *http.Request, err *daybook.Error) {
		answer := unread(err)
		_ = writer.Write(w, r, s.rpcError(&answer)) // a client that went away is not our failure
	}
	return connect.NewUnaryHandler(Path, s.serveRPC, options...), turnAway
}

func (s *Service) serveRPC(ctx context.Context, r *connect.Request[call]) (*connect.Response[reply], error) {
	v, _ := ctx.Value(visitKey{}).(*visit) // serveCharged put it there
	v.taken = true
	if r.Msg.shed == nil {
		r.Msg.shed = v.body.Decoded(int64(r.Msg.size))
	}
	answer := s.logEvent(ctx, v.who, *r.Msg, r.Peer().Addr, r.Header())
	if answer.failure != nil {
		return nil, s.rpcError(&answer)
	}
	response := connect.NewResponse(&answer)
	answer.setHeader(response.Header(), s.Durability)
	return response, nil
}

// rpcError is the reply's failure as connect-go writes it.
func (s *Service) rpcError(r *reply) error {
	err := connect.NewError(r.failure.code, errors.New(r.failure.message))
	r.setHeader(err.Meta(), s.Durability)
	if r.failure.storedID != "" {
		if detail, detailErr := connect.NewErrorDetail(r.failure.detail()); detailErr == nil {
			err.AddDetail(detail)
		}
	}
	return err
}

// A codec lets connect-go carry calls and replies as they are, without the
// generated messages: those cost more than everything else about a call.
type codec struct {
	name   string
	decode func([]byte) call
	encode func(*reply) ([]byte, error)
}

// Name implements connect.Codec.
func (c codec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (c codec) Marshal(message any) ([]byte, error) {
	switch m := message.(type) {
	case *reply:
		return c.encode(m)
	case proto.Message: // the status of gRPC, with the details of an error
		return proto.Marshal(m)
	}
	return nil, fmt.Errorf("logevent: cannot encode a %T", message)
}

// Unmarshal implements connect.Codec. A request that cannot be decoded is no
// error here: it is refused like any other, and counted.
func (c codec) Unmarshal(body []byte, message any) error {
	into, ok := message.(*call)
	if !ok {
		return fmt.Errorf("logevent: cannot decode a %T", message)
	}
	*into = c.decode(body)
	into.size = len(body)
	return nil
}

func encodeJSON(r *reply) ([]byte, error) { return r.appendMessage(nil), nil }

func encodeProto(r *reply) ([]byte, error) { return proto.Marshal(r.message()) }
