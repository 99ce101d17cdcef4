package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	conformancev1 "daybook.dev/gateway/conformance/gen/connectrpc/conformance/v1"
)

func (service) ServerStream(ctx context.Context, r *connect.Request[conformancev1.ServerStreamRequest], s *connect.ServerStream[conformancev1.ServerStreamResponse]) error {
	replies := &replies{
		call:       callOf(r),
		definition: r.Msg.GetResponseDefinition(),
		send: func(p *conformancev1.ConformancePayload) error {
			if p == nil {
				return s.Send(nil)
			}
			return s.Send(&conformancev1.ServerStreamResponse{Payload: p})
		},
	}
	if err := replies.begin(s.ResponseHeader(), s.ResponseTrailer(), true); err != nil {
		return err
	}
	return replies.rest(ctx, []proto.Message{r.Msg})
}

// BidiStream answers each request at once in a full duplex stream, and all of
// them when the last has arrived in a half duplex one.
func (service) BidiStream(ctx context.Context, s *connect.BidiStream[conformancev1.BidiStreamRequest, conformancev1.BidiStreamResponse]) error {
	first, err := s.Receive()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	replies := &replies{
		call:       call{s.RequestHeader(), s.Peer()},
		definition: first.GetResponseDefinition(),
		send: func(p *conformancev1.ConformancePayload) error {
			if p == nil {
				return s.Send(nil)
			}
			return s.Send(&conformancev1.BidiStreamResponse{Payload: p})
		},
	}
	// A half duplex client does not read before it has sent everything.
	if err := replies.begin(s.ResponseHeader(), s.ResponseTrailer(), first.GetFullDuplex()); err != nil {
		return err
	}
	unanswered := []proto.Message{first}
	for {
		if first.GetFullDuplex() {
			if replies.done() {
				break
			}
			if err := replies.next(ctx, unanswered); err != nil {
				return err
			}
			unanswered = nil
		}
		request, err := s.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		unanswered = append(unanswered, request)
	}
	return replies.rest(ctx, unanswered)
}

// replies are what a request with many responses asks for.
type replies struct {
	call       call
	definition *conformancev1.StreamResponseDefinition
	send       func(*conformancev1.ConformancePayload) error // nil = the headers alone
	sent       int
}

// begin sets the metadata, and sends the headers when there will be a response
// and the client is reading already.
func (r *replies) begin(header, trailer http.Header, reading bool) error {
	add(header, r.definition.GetResponseHeaders())
	add(trailer, r.definition.GetResponseTrailers())
	if !reading || r.done() {
		return nil
	}
	return r.send(nil)
}

func (r *replies) done() bool { return r.sent >= len(r.definition.GetResponseData()) }

// next sends one response. The first carries all that was seen of the call,
// later ones only the requests that came since.
func (r *replies) next(ctx context.Context, requests []proto.Message) error {
	payload := &conformancev1.ConformancePayload{Data: r.definition.GetResponseData()[r.sent]}
	seen, err := info(ctx, r.call, requests)
	if err != nil {
		return err
	}
	switch {
	case r.sent == 0:
		payload.RequestInfo = seen
	case len(requests) > 0:
		payload.RequestInfo = &conformancev1.ConformancePayload_RequestInfo{Requests: seen.GetRequests()}
	}
	if err := wait(ctx, r.definition.GetResponseDelayMs()); err != nil {
		return err
	}
	r.sent++
	return r.send(payload)
}

// rest sends the responses that are left, then the error if one is asked for.
// An error without a response before it carries what was seen of the call.
func (r *replies) rest(ctx context.Context, requests []proto.Message) error {
	for !r.done() {
		if err := r.next(ctx, requests); err != nil {
			return err
		}
		requests = nil
	}
	if r.definition.GetError() == nil {
		return nil
	}
	if r.sent > 0 {
		return failure(r.definition.GetError(), nil)
	}
	seen, err := info(ctx, r.call, requests)
	if err != nil {
		return err
	}
	return failure(r.definition.GetError(), seen)
}
