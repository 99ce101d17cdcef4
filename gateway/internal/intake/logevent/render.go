package logevent

import (
	"encoding/base64"
	"net/http"

	"connectrpc.com/connect"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"

	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
)

// appendMessage appends the reply's response message as JSON.
func (r *reply) appendMessage(dst []byte) []byte {
	dst = append(dst, `{"eventId":`...)
	dst = appendQuote(dst, r.eventID)
	if r.key != "" {
		dst = append(dst, `,"idempotencyKey":`...)
		dst = appendQuote(dst, r.key)
	}
	return append(dst, '}')
}

// message is the reply's response message.
func (r *reply) message() *eventsv1.LogEventResponse {
	return &eventsv1.LogEventResponse{EventId: r.eventID, IdempotencyKey: r.key}
}

// appendConnect appends the body of a unary Connect response in JSON and
// returns its status.
func (r *reply) appendConnect(dst []byte) (status int, body []byte) {
	if r.failure == nil {
		return http.StatusOK, r.appendMessage(dst)
	}
	return statuses[r.failure.code], r.failure.appendConnect(dst)
}

// statuses are the Connect protocol's for the codes a reply can have.
var statuses = map[connect.Code]int{
	connect.CodeCanceled:          499,
	connect.CodeInvalidArgument:   http.StatusBadRequest,
	connect.CodeDeadlineExceeded:  http.StatusGatewayTimeout,
	connect.CodeAlreadyExists:     http.StatusConflict,
	connect.CodePermissionDenied:  http.StatusForbidden,
	connect.CodeResourceExhausted: http.StatusTooManyRequests,
	connect.CodeUnimplemented:     http.StatusNotImplemented,
	connect.CodeInternal:          http.StatusInternalServerError,
	connect.CodeUnavailable:       http.StatusServiceUnavailable,
	connect.CodeUnauthenticated:   http.StatusUnauthorized,
}

func (f *failure) appendConnect(dst []byte) []byte {
	dst = append(dst, `{"code":"`...)
	dst = append(dst, f.code.String()...)
	dst = append(dst, `","message":`...)
	dst = appendQuote(dst, f.message)
	if f.storedID != "" {
		dst = f.appendDetail(append(dst, `,"details":[`...))
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendDetail appends the StoredEvent detail as the Connect protocol writes
// details: the message in base64, and once more readable.
func (f *failure) appendDetail(dst []byte) []byte {
	stored := f.detail()
	wire, _ := proto.Marshal(stored) // fails only on text that is not UTF-8; this is a UUID
	dst = append(dst, `{"type":"`...)
	dst = append(dst, stored.ProtoReflect().Descriptor().FullName()...)
	dst = append(dst, `","value":"`...)
	dst = base64.RawStdEncoding.AppendEncode(dst, wire)
	dst = append(dst, `","debug":{"eventId":`...)
	dst = appendQuote(dst, f.storedID)
	return append(dst, `}}`...)
}

func (f *failure) detail() *eventsv1.StoredEvent {
	return &eventsv1.StoredEvent{EventId: f.storedID}
}

// appendQuote appends s, which is valid UTF-8, as a JSON string.
func appendQuote(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
