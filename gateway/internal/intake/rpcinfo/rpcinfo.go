// Package rpcinfo answers what RPC tools ask a server about itself: whether it
// is well (grpc.health.v1) and what it can be called for (reflection).
package rpcinfo

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"daybook.dev/gateway/internal/intake"
)

// maxQuestion is the size in bytes of the largest question.
const maxQuestion = 64 << 10

// Handle adds the handlers to routes. services are the names of those offered;
// ready returns nil when their calls could succeed now.
func Handle(routes *http.ServeMux, services []string, ready func(context.Context) error) {
	options := connect.WithHandlerOptions(intake.RPCOptions(maxQuestion)...)
	reflector := grpcreflect.NewStaticReflector(services...)
	routes.Handle(grpchealth.NewHandler(checker{services, ready}, options))
	routes.Handle(grpcreflect.NewHandlerV1(reflector, options))
	routes.Handle(grpcreflect.NewHandlerV1Alpha(reflector, options))
}

type checker struct {
	services []string
	ready    func(context.Context) error
}

var errUnknownService = errors.New("there is no such service here")

// Check implements grpchealth.Checker. The empty name is the server as a whole.
func (c checker) Check(ctx context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if r.Service != "" && !slices.Contains(c.services, r.Service) {
		return nil, connect.NewError(connect.CodeNotFound, errUnknownService)
	}
	status := grpchealth.StatusServing
	if c.ready(ctx) != nil {
		status = grpchealth.StatusNotServing
	}
	return &grpchealth.CheckResponse{Status: status}, nil
}
