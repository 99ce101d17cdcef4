package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"daybook.dev"
)

const where = "kafka"

// verdict is what an answer of the brokers means to us.
type verdict struct {
	code    daybook.Code
	reason  string
	message string
}

// verdicts are those of answers that are not simply passing.
var verdicts = map[int16]verdict{
	kerr.MessageTooLarge.Code:    {daybook.TooLarge, "message_too_large", "the event is larger than the topic takes"},
	kerr.RecordListTooLarge.Code: {daybook.TooLarge, "message_too_large", "the event is larger than the topic takes"},
	kerr.InvalidRecord.Code:      {daybook.Invalid, "message_refused", "the brokers refuse the event"},

	kerr.UnknownTopicOrPartition.Code:     {daybook.Unimplemented, "topic_missing", "the topic does not exist"},
	kerr.UnknownTopicID.Code:              {daybook.Unimplemented, "topic_missing", "the topic does not exist any more"},
	kerr.InvalidTopicException.Code:       {daybook.Unimplemented, "topic_missing", "the topic's name is not allowed"},
	kerr.UnsupportedVersion.Code:          {daybook.Unimplemented, "unsupported", "the brokers do not know this request"},
	kerr.UnsupportedCompressionType.Code:  {daybook.Unimplemented, "unsupported", "the brokers do not know this compression"},
	kerr.UnsupportedForMessageFormat.Code: {daybook.Unimplemented, "unsupported", "the topic's message format is too old"},
	kerr.InvalidRequiredAcks.Code:         {daybook.Unimplemented, "unsupported", "the brokers do not take acks=all"},
	kerr.PolicyViolation.Code:             {daybook.Unimplemented, "policy", "a policy of the brokers forbids it"},
	kerr.InvalidPartitions.Code:           {daybook.Unimplemented, "policy", "the topic cannot have so many partitions"},
	kerr.InvalidReplicationFactor.Code:    {daybook.Unimplemented, "policy", "the topic cannot have so many replicas"},

	kerr.TopicAuthorizationFailed.Code:   {daybook.Denied, "permission_denied", "this user may not write to the topic"},
	kerr.ClusterAuthorizationFailed.Code: {daybook.Denied, "permission_denied", "this user may not do this in the cluster"},

	kerr.SaslAuthenticationFailed.Code: {daybook.Unauthenticated, "login_refused", "the login is refused"},
	kerr.UnsupportedSaslMechanism.Code: {daybook.Unauthenticated, "login_refused", "the brokers do not know this way to log in"},
	kerr.IllegalSaslState.Code:         {daybook.Unauthenticated, "login_refused", "the brokers expect no login here, or another"},

	kerr.ThrottlingQuotaExceeded.Code: {daybook.Exhausted, "quota_exceeded", "a quota is used up"},
}

// explain returns err as an error of ours. Nil stays nil.
func (s *Sink) explain(err error) error {
	if err == nil {
		return nil
	}
	// The client may know no more than that it gave up. Then the last failure of
	// a connection says why.
	cause := err
	if gaveUp(err) {
		if last := s.cause.last(); last != nil {
			cause = last
		}
	}
	say := func(code daybook.Code, reason, message string, err error) error {
		return &daybook.Error{Code: code, Where: where, Reason: reason, Message: message, Err: err}
	}
	switch v, answered := answer(cause); {
	case answered:
		return say(v.code, v.reason, v.message, cause)
	case untrusted(cause):
		return say(daybook.Denied, "untrusted_certificate", "the broker's certificate does not verify", cause)
	case !gaveUp(err):
		return say(daybook.Unavailable, "server_unavailable", "no answer from the brokers", err)
	case cause != err: //nolint:errorlint // the very same one
		return say(daybook.Unavailable, "server_unavailable", "no answer from the brokers in time", fmt.Errorf("%w; last: %w", err, cause))
	default:
		return say(daybook.Unavailable, "no_answer", "not acknowledged in time", err)
	}
}

// answer returns what a broker's error means, and false where err is none.
func answer(err error) (verdict, bool) {
	k, ok := errors.AsType[*kerr.Error](err)
	if !ok {
		return verdict{}, false
	}
	if v, ok := verdicts[k.Code]; ok {
		return v, true
	}
	if k.Retriable {
		return verdict{daybook.Unavailable, "not_ready", "the brokers cannot take it now"}, true
	}
	return verdict{daybook.Internal, "server_failed", "the brokers answer what was not expected"}, true
}

// gaveUp reports whether err only says that the client, or the caller, has
// stopped trying.
func gaveUp(err error) bool {
	for _, end := range []error{
		context.Canceled, context.DeadlineExceeded,
		kgo.ErrRecordTimeout, kgo.ErrRecordRetries, kgo.ErrClientClosed, kgo.ErrAborting,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// untrusted reports whether err is about a certificate: a person has to correct
// one side's.
func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		_, ok = errors.AsType[x509.UnknownAuthorityError](err)
	}
	if !ok {
		_, ok = errors.AsType[x509.HostnameError](err)
	}
	return ok
}

func tooLarge(size, limit int) error {
	return &daybook.Error{
		Code: daybook.TooLarge, Where: where, Reason: "message_too_large",
		Message: fmt.Sprintf("the event takes %d bytes, and a batch has %d at most", size, limit),
	}
}
