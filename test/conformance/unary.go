package main

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	conformancev1 "daybook.dev/gateway/conformance/gen/connectrpc/conformance/v1"
	"daybook.dev/gateway/conformance/gen/connectrpc/conformance/v1/conformancev1connect"
)

// A service answers as each request says: with its payload or error, headers
// and trailers, after its delay.
type service struct {
	conformancev1connect.UnimplementedConformanceServiceHandler
}

func (service) Unary(ctx context.Context, r *connect.Request[conformancev1.UnaryRequest]) (*connect.Response[conformancev1.UnaryResponse], error) {
	answer := requested(ctx, callOf(r), r.Msg.GetResponseDefinition(), r.Msg)
	return respond(answer, func(p *conformancev1.ConformancePayload) *conformancev1.UnaryResponse {
		return &conformancev1.UnaryResponse{Payload: p}
	})
}

func (service) IdempotentUnary(ctx context.Context, r *connect.Request[conformancev1.IdempotentUnaryRequest]) (*connect.Response[conformancev1.IdempotentUnaryResponse], error) {
	answer := requested(ctx, callOf(r), r.Msg.GetResponseDefinition(), r.Msg)
	return respond(answer, func(p *conformancev1.ConformancePayload) *conformancev1.IdempotentUnaryResponse {
		return &conformancev1.IdempotentUnaryResponse{Payload: p}
	})
}

func (service) ClientStream(ctx context.Context, s *connect.ClientStream[conformancev1.ClientStreamRequest]) (*connect.Response[conformancev1.ClientStreamResponse], error) {
	var requests []proto.Message
	var definition *conformancev1.UnaryResponseDefinition
	for s.Receive() {
		if len(requests) == 0 {
			definition = s.Msg().GetResponseDefinition()
		}
		requests = append(requests, s.Msg())
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	answer := requested(ctx, call{s.RequestHeader(), s.Peer()}, definition, requests...)
	return respond(answer, func(p *conformancev1.ConformancePayload) *conformancev1.ClientStreamResponse {
		return &conformancev1.ClientStreamResponse{Payload: p}
	})
}

// An answer is what a request with one response asks for.
type answer struct {
	payload    *conformancev1.ConformancePayload
	err        error // not asked for: the deadline has passed
	failure    *connect.Error
	definition *conformancev1.UnaryResponseDefinition
}

func requested(ctx context.Context, c call, d *conformancev1.UnaryResponseDefinition, requests ...proto.Message) answer {
	seen, err := info(ctx, c, requests)
	if err != nil {
		return answer{err: err}
	}
	if err := wait(ctx, d.GetResponseDelayMs()); err != nil {
		return answer{err: err}
	}
	if d.GetError() != nil {
		return answer{failure: failure(d.GetError(), seen), definition: d}
	}
	return answer{
		payload:    &conformancev1.ConformancePayload{Data: d.GetResponseData(), RequestInfo: seen},
		definition: d,
	}
}

// respond renders an answer. connect-go has one place for the metadata of an
// error: headers and trailers both go there.
func respond[T any](a answer, message func(*conformancev1.ConformancePayload) *T) (*connect.Response[T], error) {
	if a.err != nil {
		return nil, a.err
	}
	if a.failure != nil {
		add(a.failure.Meta(), a.definition.GetResponseHeaders())
		add(a.failure.Meta(), a.definition.GetResponseTrailers())
		return nil, a.failure
	}
	r := connect.NewResponse(message(a.payload))
	add(r.Header(), a.definition.GetResponseHeaders())
	add(r.Trailer(), a.definition.GetResponseTrailers())
	return r, nil
}
