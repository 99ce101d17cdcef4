package logevent

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// visitKey is where the context of a call through connect-go has its visit.
type visitKey struct{}

// A visit is what we know of a call while connect-go has it.
type visit struct {
	who   caller.Caller
	body  *intake.RPCBody
	taken bool // the call reached us
}

// serveCharged lets connect-go answer a call and charges what it reads. What
// connect-go refuses by itself never reaches us, and is reported here.
func (s *Service) serveCharged(w http.ResponseWriter, r *http.Request, who caller.Caller, rpc http.Handler) {
	body := intake.NewRPCBody(r, s.Budget, maxMessage, connectError)
	defer body.Lease.Release()
	v := visit{who: who, body: body}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, &v))
	r.Body = body
	rpc.ServeHTTP(w, r)
	if !v.taken {
		s.TurnedAway(Protocol, r.Header, body.Untaken(r))
	}
}

// connectError is how connect-go is told why a body is not read on.
func connectError(err *daybook.Error) error {
	answer := unread(err)
	wire := connect.NewError(answer.failure.code, errors.New(answer.failure.message))
	answer.setHeader(wire.Meta(), daybook.NotDurable)
	return wire
}

// unread is the reply to a call whose body could not be read.
func (s *Service) unread(header http.Header, err *daybook.Error) reply {
	s.TurnedAway(Protocol, header, err)
	return unread(err)
}
