package cloudevents

import (
	"mime"
	"net/http"
	"strings"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// A mode is how a request holds events.
type mode int

const (
	binary mode = iota
	structured
	batched
)

// The media types that say how.
const (
	structuredType = "application/cloudevents"
	batchedType    = "application/cloudevents-batch"
	jsonFormat     = "+json"
)

// modeOf finds the mode, as the HTTP binding says: by the Content-Type, and by
// the header that every binary event has.
func modeOf(h http.Header) (mode, *daybook.Error) {
	media := mediaType(h.Get("Content-Type"))
	switch {
	case media == structuredType+jsonFormat, media == structuredType:
		return structured, nil
	case media == batchedType+jsonFormat, media == batchedType:
		return batched, nil
	case strings.HasPrefix(media, structuredType):
		return 0, unsupported("CloudEvents are read in their JSON format only")
	case h.Get("Ce-Specversion") != "":
		return binary, nil
	}
	return 0, unsupported("this is no CloudEvent: send Content-Type: application/cloudevents+json, application/cloudevents-batch+json, or the attributes as headers (ce-specversion and so on)")
}

func unsupported(message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonUnsupportedMediaType, Message: message}
}

// mediaType returns a Content-Type without its parameters, "" for none that can
// be read.
func mediaType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return media
}

// isJSON reports whether data of that media type is JSON.
func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, jsonFormat)
}
