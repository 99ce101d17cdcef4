package logevent

import (
	"context"
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// visitKey is where the context of a call through connect-go has its visit.
type visitKey struct{}

// A visit is what we know of a call while connect-go has it.
type visit struct {
	who   caller.Caller
	taken bool // the call reached us
}

// serveCharged lets connect-go answer a call and charges what it reads. What
// connect-go refuses by itself never reaches us, and is reported here.
func (s *Service) serveCharged(w http.ResponseWriter, r *http.Request, who caller.Caller, rpc http.Handler) {
	body := chargedBody{ReadCloser: r.Body, lease: s.Budget.Lease(), limit: wireLimit(r.Header), compressed: compressed(r.Header)}
	defer body.lease.Release()
	v := visit{who: who}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, &v))
	r.Body = &body
	rpc.ServeHTTP(w, r)
	if !v.taken {
		s.TurnedAway(Protocol, r.Header, untaken(r, &body))
	}
}

// untaken is why connect-go did not hand a call on, as far as can be seen from
// outside.
func untaken(r *http.Request, body *chargedBody) *daybook.Error {
	switch {
	case body.refused != nil:
		return body.refused
	case body.broken != nil:
		return &daybook.Error{Code: daybook.Invalid, Reason: intake.ReasonBodyIncomplete, Err: body.broken}
	case r.Method != http.MethodPost:
		return &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonMethodNotAllowed}
	case !knownEncoding(r.Header):
		return &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonUnsupportedEncoding}
	}
	return refusal("", reasonInvalidCall, "")
}

// unread is the reply to a call whose body could not be read.
func (s *Service) unread(header http.Header, err *daybook.Error) reply {
	s.TurnedAway(Protocol, header, err)
	return unread(err)
}
