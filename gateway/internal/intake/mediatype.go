package intake

import (
	"fmt"
	"mime"
	"net/http"
	"strings"

	"daybook.dev"
)

// otherFormats are media types, and beginnings of media types, that say for
// sure that a body is not the JSON of events, with what to do instead.
// Anything else is let through to the decoder: what curl and half of all HTTP
// clients send by default says nothing about the body.
var otherFormats = []struct{ prefix, instead string }{
	{"application/cloudevents", "this route reads plain events, not CloudEvents"},
	{"application/grpc", "this route is plain HTTP; gRPC has routes of its own"},
	{"application/connect+", "this route is plain HTTP; Connect has routes of its own"},
	{"application/protobuf", ""},
	{"application/x-protobuf", ""},
	{"application/vnd.google.protobuf", ""},
	{"application/proto", ""},
	{"application/gzip", "say Content-Encoding: gzip instead"},
	{"application/x-gzip", "say Content-Encoding: gzip instead"},
	{"application/zstd", "say Content-Encoding: zstd instead"},
	{"application/zip", ""},
	{"application/pdf", ""},
	{"application/xml", ""},
	{"application/yaml", ""},
	{"application/x-yaml", ""},
	{"application/msgpack", ""},
	{"application/x-msgpack", ""},
	{"application/vnd.msgpack", ""},
	{"application/cbor", ""},
	{"application/avro", ""},
	{"application/vnd.apache.", ""},
	{"avro/", ""},
	{"multipart/", ""},
	{"image/", ""},
	{"audio/", ""},
	{"video/", ""},
	{"font/", ""},
	{"text/xml", ""},
	{"text/html", ""},
	{"text/csv", ""},
}

// CheckMediaType refuses a request for events in JSON whose Content-Type names a
// known other format.
func CheckMediaType(r *http.Request) *daybook.Error {
	given := r.Header.Get("Content-Type")
	if given == "" || given == "application/json" || given == "application/x-ndjson" {
		return nil
	}
	media, _, err := mime.ParseMediaType(given)
	if err != nil {
		return nil // it names nothing
	}
	for _, other := range otherFormats {
		if !strings.HasPrefix(media, other.prefix) {
			continue
		}
		message := fmt.Sprintf("content type %s is not JSON; send one object, one per line, or an array", clip(media))
		if other.instead != "" {
			message += "; " + other.instead
		}
		return &daybook.Error{Code: daybook.Unimplemented, Reason: ReasonUnsupportedMediaType, Message: message}
	}
	return nil
}
