package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"daybook.dev"
)

const where = "nats"

// verdict is what an answer means to us.
type verdict struct {
	code    daybook.Code
	reason  string
	message string
}

// answers are what the servers' error codes mean that are not simply passing.
// The client library names few of them; the others are those of nats-server's
// errors.json.
var answers = map[jetstream.ErrorCode]verdict{
	jetstream.JSErrCodeStreamMessageExceedsMaximum: {daybook.TooLarge, "message_too_large", "the event is larger than the stream takes"},
	10097: {daybook.TooLarge, "message_too_large", "the event's headers are larger than the stream takes"},

	jetstream.JSErrCodeStreamNotFound:                {daybook.Unimplemented, "stream_missing", "the stream does not exist"},
	jetstream.JSErrCodeJetStreamNotEnabled:           {daybook.Unimplemented, "stream_missing", "JetStream is not enabled"},
	jetstream.JSErrCodeJetStreamNotEnabledForAccount: {daybook.Unimplemented, "stream_missing", "JetStream is not enabled for this account"},
	10060: {daybook.Unimplemented, "stream_missing", "another stream than the configured one takes the subject"},
	10065: {daybook.Unimplemented, "stream_missing", "another stream takes the subject, or a part of it"},
	10109: {daybook.Unimplemented, "stream_missing", "the stream is sealed"},
	10120: {daybook.Unimplemented, "stream_missing", "the account has no limits for such a stream"},
	10074: {daybook.Unimplemented, "policy", "more than one replica needs a cluster"},
	10005: {daybook.Unimplemented, "policy", "the cluster has not so many servers"},
	10052: {daybook.Unimplemented, "policy", "the stream cannot be as configured"},

	10002: {daybook.Exhausted, "quota_exceeded", "the account's limits are reached"},
	10023: {daybook.Exhausted, "quota_exceeded", "the servers have not enough resources"},
	10028: {daybook.Exhausted, "quota_exceeded", "the servers have not enough memory"},
	10047: {daybook.Exhausted, "quota_exceeded", "the servers have not enough storage"},
	10167: {daybook.Exhausted, "quota_exceeded", "the stream is asked too much at once"},

	10158: {daybook.Unavailable, "not_ready", "another copy of the event is being stored"},
}

// failures are what the client library's own errors mean, the first that fits.
var failures = []struct {
	err error
	verdict
}{
	{client.ErrMaxPayload, verdict{daybook.TooLarge, "message_too_large", "the event is larger than the server takes"}},
	{client.ErrPermissionViolation, verdict{daybook.Denied, "permission_denied", "this user may not publish to the subject, or not receive the answers"}},
	{client.ErrAuthorization, verdict{daybook.Unauthenticated, "login_refused", "the login is refused"}},
	{client.ErrAuthExpired, verdict{daybook.Unauthenticated, "login_refused", "the credentials have expired"}},
	{client.ErrAccountAuthExpired, verdict{daybook.Unauthenticated, "login_refused", "the account's credentials have expired"}},
	{client.ErrAuthRevoked, verdict{daybook.Unauthenticated, "login_refused", "the credentials are revoked"}},
	{client.ErrNkeysNotSupported, verdict{daybook.Unauthenticated, "login_refused", "the server expects another way to log in"}},
	{client.ErrSecureConnRequired, verdict{daybook.Denied, "untrusted_certificate", "the server wants TLS"}},
	{client.ErrSecureConnWanted, verdict{daybook.Denied, "untrusted_certificate", "the server speaks no TLS"}},
	{client.ErrHeadersNotSupported, verdict{daybook.Unimplemented, "unsupported", "the server is too old for headers"}},
	{client.ErrNoResponders, verdict{daybook.Unimplemented, "stream_missing", "JetStream does not answer: it is not enabled"}},
	{jetstream.ErrInvalidJSAck, verdict{daybook.Unimplemented, "stream_missing", "somebody answers who is no stream"}},
}

// explain returns err as an error of ours. While there is no connection, what
// the client says about a message is about that.
func (s *Sink) explain(err error) error {
	if _, answered := answer(err); err == nil || answered || s.conn.IsConnected() {
		return explain(err)
	}
	return s.notConnected()
}

// notConnected says why there is no connection, as far as anybody knows.
func (s *Sink) notConnected() error {
	last := s.cause.last()
	if err := explain(last); err != nil && daybook.CodeOf(err) != daybook.Unavailable {
		return err
	}
	return &daybook.Error{Code: daybook.Unavailable, Where: where, Reason: "server_unavailable", Message: "not connected to a server", Err: last}
}

// explain returns err as an error of ours. Nil stays nil, and what is ours
// already as it is.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		return e
	}
	say := func(v verdict) error {
		return &daybook.Error{Code: v.code, Where: where, Reason: v.reason, Message: v.message, Err: err}
	}
	if v, ok := answer(err); ok {
		return say(v)
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return say(f.verdict)
		}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return say(verdict{daybook.Denied, "untrusted_certificate", "the server's certificate does not verify"})
	}
	if gaveUp(err) {
		return say(verdict{daybook.Unavailable, "no_answer", "not acknowledged in time"})
	}
	return say(verdict{daybook.Unavailable, "server_unavailable", "no answer from the servers"})
}

// answer returns what a server's error means, and false where err is none.
func answer(err error) (verdict, bool) {
	a, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return verdict{}, false
	}
	if v, ok := answers[a.ErrorCode]; ok {
		return v, true
	}
	if a.Code >= 500 {
		return verdict{daybook.Unavailable, "not_ready", "the stream cannot take it now"}, true
	}
	return verdict{daybook.Internal, "server_failed", "the servers answer what was not expected"}, true
}

func gaveUp(err error) bool {
	for _, end := range []error{context.Canceled, context.DeadlineExceeded, client.ErrTimeout, jetstream.ErrAsyncPublishTimeout} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// whyUnheard says why nobody has answered: there is no stream for the subject,
// which a person has to change, or it has no leader right now.
func (s *Sink) whyUnheard(ctx context.Context) error {
	missing, err := s.missing(ctx)
	if err != nil {
		return s.explain(err)
	}
	if missing {
		return &daybook.Error{
			Code: daybook.Unimplemented, Where: where, Reason: "stream_missing",
			Message: fmt.Sprintf("no stream takes the subject %s", s.subject.pattern()),
		}
	}
	return &daybook.Error{Code: daybook.Unavailable, Where: where, Reason: "not_ready", Message: "the stream has no leader now"}
}
