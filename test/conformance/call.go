package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	conformancev1 "daybook.dev/gateway/conformance/gen/connectrpc/conformance/v1"
)

// A call is what connect-go says about a call beside its messages.
type call struct {
	header http.Header
	peer   connect.Peer
}

func callOf[T any](r *connect.Request[T]) call { return call{r.Header(), r.Peer()} }

// info renders what was seen of a call, for the suite to compare.
func info(ctx context.Context, c call, requests []proto.Message) (*conformancev1.ConformancePayload_RequestInfo, error) {
	seen := &conformancev1.ConformancePayload_RequestInfo{RequestHeaders: headers(c.header)}
	for _, r := range requests {
		wrapped, err := anypb.New(r)
		if err != nil {
			return nil, err
		}
		seen.Requests = append(seen.Requests, wrapped)
	}
	if deadline, ok := ctx.Deadline(); ok {
		seen.TimeoutMs = proto.Int64(max(0, time.Until(deadline).Milliseconds()))
	}
	if len(c.peer.Query) > 0 {
		seen.ConnectGetInfo = &conformancev1.ConformancePayload_ConnectGetInfo{QueryParams: headers(c.peer.Query)}
	}
	return seen, nil
}

// failure is the error that a request asks for, with what was seen of the call
// among its details unless seen is nil.
func failure(e *conformancev1.Error, seen *conformancev1.ConformancePayload_RequestInfo) *connect.Error {
	err := connect.NewError(connect.Code(e.GetCode()), errors.New(e.GetMessage()))
	for _, d := range e.GetDetails() {
		attach(err, d)
	}
	if seen != nil {
		attach(err, seen)
	}
	return err
}

// attach adds a detail. One that cannot be added is missed by the suite.
func attach(err *connect.Error, message proto.Message) {
	if detail, problem := connect.NewErrorDetail(message); problem == nil {
		err.AddDetail(detail)
	}
}

func headers(values map[string][]string) []*conformancev1.Header {
	all := make([]*conformancev1.Header, 0, len(values))
	for name, value := range values {
		all = append(all, &conformancev1.Header{Name: name, Value: value})
	}
	return all
}

func add(to http.Header, all []*conformancev1.Header) {
	for _, h := range all {
		for _, value := range h.GetValue() {
			to.Add(h.GetName(), value)
		}
	}
}

// wait returns nil when the time has passed, or the context's error: a call whose
// deadline has passed is not answered any more.
func wait(ctx context.Context, ms uint32) error {
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
