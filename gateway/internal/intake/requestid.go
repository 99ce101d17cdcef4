package intake

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// RequestIDHeader carries the request's id in answers.
const RequestIDHeader = "Daybook-Request-Id"

// Identified gives every request to next its id: in the header of the answer,
// whatever next makes of it, and in the header of the request for [RequestIDOf].
// What a client wrote there is overwritten.
func Identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := []string{RequestID(r.Header)}
		r.Header[RequestIDHeader] = id
		w.Header()[RequestIDHeader] = id
		next.ServeHTTP(w, r)
	})
}

// RequestIDOf is the id that Identified has given a request, by its header.
func RequestIDOf(h http.Header) string {
	if values := h[RequestIDHeader]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// DurabilityHeader says in answers how safe a stored event is.
const DurabilityHeader = "Daybook-Durability"

// RequestID names a request in answers and logs: 32 hexadecimal digits, the
// trace id of the header traceparent (W3C Trace Context) where that is valid,
// else random.
func RequestID(h http.Header) string {
	if values := h["Traceparent"]; len(values) == 1 {
		if id, ok := traceID(values[0]); ok {
			return id
		}
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// traceID returns the trace id of a traceparent: version, trace id, parent id
// and flags in lower-case hexadecimal. Later versions may append more.
func traceID(traceparent string) (id string, ok bool) {
	const length, version0 = 55, "00"
	if len(traceparent) < length {
		return "", false
	}
	rest := traceparent[length:]
	if rest != "" && (traceparent[:2] == version0 || rest[0] != '-') {
		return "", false
	}
	parts := strings.Split(traceparent[:length], "-")
	if len(parts) != 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 {
		return "", false
	}
	for _, part := range parts {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return "", false
		}
	}
	if parts[0] == "ff" || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", false
	}
	return parts[1], true
}
