package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"

	"daybook.dev"
)

// unanswered says why there was no answer. Reason "unreachable" means that no
// connection could be made; "no_answer" leaves open what has arrived.
func (c *Client) unanswered(err error) error {
	if e := Unwilling(c.where, err); e != nil {
		return e
	}
	e := &daybook.Error{
		Code: daybook.Unavailable, Where: c.where, Reason: "no_answer",
		Message: "no answer from " + c.origin, Err: cause(err),
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		e.Reason, e.Message = "unreachable", "cannot reach "+c.origin
	}
	return e
}

// Unwilling returns the error of a request that was not made because we do not
// want to, and nil for all others: an address that is forbidden, a certificate
// that proves nothing. Trying again helps as little as with a wrong key.
func Unwilling(where string, err error) error {
	if e, ok := errors.AsType[*forbiddenError](err); ok {
		return &daybook.Error{Code: daybook.Denied, Where: where, Field: "url", Reason: "forbidden_address", Message: e.text}
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &daybook.Error{Code: daybook.Denied, Where: where, Field: "url", Reason: "untrusted_certificate", Message: "the certificate is not trusted", Err: e}
	}
	return nil
}

// discreet is a transport whose errors quote nothing.
type discreet struct{ *http.Transport }

func (d discreet) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.Transport.RoundTrip(r)
	if err != nil {
		return nil, cause(err)
	}
	return response, nil
}

// cause returns the part of err whose text is known to hold nothing but
// addresses and the system's words. Others quote what the other side has sent,
// which may be what it was sent.
func cause(err error) error {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	for _, known := range []error{
		context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF, http.ErrSchemeMismatch, errBroken,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errBroken
}

var errBroken = errors.New("the connection broke, or what came is not HTTP")
