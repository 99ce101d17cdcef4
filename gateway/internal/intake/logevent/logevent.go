// Package logevent is the intake of the event-logging contract: the one call
// events.v1.EventLoggingService/LogEvent over Connect, gRPC and gRPC-Web.
//
// Every protocol ends in the same three steps on bytes: decode a request, hand
// it to accept, render the reply. Connect's unary JSON, which nearly all
// callers speak, takes them on a bare HTTP handler (fast.go); everything else
// goes through connect-go (rpc.go).
package logevent

import (
	"context"
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = "logevent"

// ServiceName is the service that the call belongs to.
const ServiceName = "events.v1.EventLoggingService"

// Path is where the handler belongs.
const Path = "/" + ServiceName + "/LogEvent"

// maxMessage is the size of the largest request, compressed or not: what one
// event may have. It leaves room for metadata of 64 KiB written with every
// character escaped, and bounds what decoding Protocol Buffers can allocate.
const maxMessage = 1 << 20

// The words of refusals; docs/reasons.md explains them. What package strictjson
// says of a text is a reason of its own.
const (
	reasonBlankName        = "blank_name"
	reasonBlankText        = "blank_text"
	reasonTextTooLong      = "text_too_long"
	reasonReservedField    = "reserved_field"
	reasonTooManyKeys      = "too_many_keys"
	reasonMetadataTooLarge = "metadata_too_large"
	reasonInvalidTime      = "invalid_time"
	reasonWrongType        = "wrong_type"
	reasonTwoSpellings     = "two_spellings"
	reasonByteOrderMark    = "byte_order_mark"
	reasonInvalidProtobuf  = "invalid_protobuf"
	reasonInvalidValue     = "invalid_value"
	reasonInvalidNumber    = "invalid_number"
)

// A Service answers LogEvent calls. Set the fields before Handler is called;
// Accept is required.
type Service struct {
	intake.Door

	// Budget is what requests in flight are charged to. Nil means no limit.
	Budget *intake.Budget

	// Trust says which proxy headers name the caller, and whose.
	Trust caller.TrustHeaders
}

// Handler returns the handler of Path, for all protocols.
func (s *Service) Handler() http.Handler {
	body := &intake.Body{MaxBytes: maxMessage, MaxDecoded: maxMessage, Budget: s.Budget}
	rpc, turnAway := s.rpcHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.Enter(Protocol, r)
		if err != nil {
			s.TurnedAway(Protocol, r.Header, err)
			turnAway(w, r, err)
			return
		}
		if timeout, ok := fast(r); ok {
			s.serveFast(w, r, who, body, timeout)
			return
		}
		s.serveCharged(w, r, who, rpc)
	})
}

// A call is a decoded request, or the reason why it is none.
type call struct {
	request request
	refused *daybook.Error // what is wrong with it
	shed    *daybook.Error // nobody looked: there was no memory to decode it
	size    int            // bytes of the message
}

// logEvent admits and stores the event of a call and, where destinations are
// waited for, forwards it. remoteAddr and header say who is behind it.
func (s *Service) logEvent(ctx context.Context, who caller.Caller, c call, remoteAddr string, header http.Header) reply {
	if c.shed != nil {
		return s.unread(header, c.shed)
	}
	if c.refused == nil {
		c.refused = c.request.check()
	}
	submission := admit.Submission{Err: c.refused}
	if c.refused == nil {
		submission = c.request.submission(s.Trust.Identity(remoteAddr, header))
	}
	outcomes := s.Accept(ctx, accept.Batch{
		Caller:   who,
		Protocol: Protocol,
		Request:  intake.RequestIDOf(header),
		Wait:     true,
		Events:   []admit.Submission{submission},
		Bytes:    c.size,
	})
	s.Reported(who, header, outcomes, nil)
	return replyOf(outcomes[0], c.request.key.value)
}
