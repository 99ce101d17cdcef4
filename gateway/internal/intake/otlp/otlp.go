// Package otlp is the intake of OpenTelemetry's logs: OTLP over HTTP in Protocol
// Buffers and in JSON, and LogsService/Export over gRPC, gRPC-Web and Connect.
//
// Every route ends in the same steps on bytes: decode a request, hand it to
// accept, render the reply. A request is decoded in two strides. The reader of
// its encoding (proto.go, json.go) writes each attribute, body and resource down
// as JSON and notes where; finish.go puts the pieces of a record together once
// all are there, because an encoder may write what records have in common behind
// them. The SDKs' own library, pdata, is what the tests compare with: it decodes
// into messages of its own, of which ours would be a second copy.
//
// docs/protocols.md says how a record becomes an event.
package otlp

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = "otlp"

// Path is where the HTTP handler belongs.
const Path = "/v1/logs"

// ServiceName is the service that the call belongs to.
const ServiceName = "opentelemetry.proto.collector.logs.v1.LogsService"

// RPCPath is where the handler of the call belongs.
const RPCPath = "/" + ServiceName + "/Export"

// maxDepth is how deep metadata may nest, where the metadata object is level 1.
const maxDepth = 64

// The words of refusals; docs/reasons.md explains them. What package strictjson
// says of a text is a reason of its own.
const (
	reasonUnsupportedMediaType = "unsupported_media_type"
	reasonTooManyEvents        = "too_many_events"
	reasonByteOrderMark        = "byte_order_mark"
	reasonBlankName            = "blank_name"
	reasonEventTooLarge        = "event_too_large"
	reasonInvalidProtobuf      = "invalid_protobuf"
	reasonInvalidNumber        = "invalid_number"
	reasonInvalidTime          = "invalid_time"
	reasonInvalidValue         = "invalid_value"
	reasonTwoSpellings         = "two_spellings"
	reasonWrongType            = "wrong_type"
)

// Unnamed says what becomes of records without an event name: lines of a log,
// rather than events.
type Unnamed string

// What can become of them.
const (
	Keep   Unnamed = "keep" // the default: stored with the name and the type "log"
	Refuse Unnamed = "refuse"
)

// A Service answers requests to export logs. Set the fields before its handlers
// are called; Accept and Body are required.
type Service struct {
	intake.Door

	// Budget is what calls in flight are charged to; requests over plain HTTP
	// are charged to that of Body. Nil means no limit.
	Budget *intake.Budget

	// Unnamed says what becomes of records without an event name. Empty means
	// Keep.
	Unnamed Unnamed
}

func refusal(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
