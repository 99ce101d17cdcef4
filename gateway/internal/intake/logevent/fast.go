package logevent

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// fast reports whether r is a unary Connect call in plain JSON, and how long
// its caller waits (0 = it does not say). Whatever is unusual about a call,
// however slightly, is connect-go's to judge.
func fast(r *http.Request) (timeout time.Duration, ok bool) {
	if r.Method != http.MethodPost || !isJSON(r.Header["Content-Type"]) || len(r.Header["Content-Encoding"]) > 0 {
		return 0, false
	}
	if version := r.Header["Connect-Protocol-Version"]; len(version) > 1 || len(version) == 1 && version[0] != "1" {
		return 0, false
	}
	return timeoutOf(r.Header["Connect-Timeout-Ms"])
}

func isJSON(contentType []string) bool {
	return len(contentType) == 1 && (contentType[0] == "application/json" || contentType[0] == "application/json; charset=utf-8")
}

// maxTimeoutDigits is the Connect protocol's.
const maxTimeoutDigits = 10

func timeoutOf(header []string) (timeout time.Duration, ok bool) {
	if len(header) == 0 {
		return 0, true
	}
	if len(header) > 1 || len(header[0]) > maxTimeoutDigits {
		return 0, false
	}
	millis, err := strconv.ParseUint(header[0], 10, 63)
	return time.Duration(millis) * time.Millisecond, err == nil && millis > 0
}

// serveFast answers a call on bytes.
func (s *Service) serveFast(w http.ResponseWriter, r *http.Request, who caller.Caller, body *intake.Body, timeout time.Duration) {
	ctx := r.Context()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	answer := s.answerFast(ctx, r, who, body)
	status, rendered := answer.appendConnect(nil)
	header := w.Header()
	answer.setHeader(header, s.Durability)
	header["Content-Type"] = contentTypeJSON
	header["Content-Length"] = []string{strconv.Itoa(len(rendered))}
	w.WriteHeader(status)
	_, _ = w.Write(rendered) // a client that went away is not our failure
}

var contentTypeJSON = []string{"application/json"}

// copies is how often decoding holds what was read once more: metadata is
// written down afresh, into memory that may be twice its size.
const copies = 2

// answerFast is the three steps: decode, accept, render.
func (s *Service) answerFast(ctx context.Context, r *http.Request, who caller.Caller, body *intake.Body) reply {
	text, err := body.Read(r)
	if err != nil {
		return s.unread(r.Header, err)
	}
	defer text.Release()
	if err := text.Charge(copies * int64(len(text.Bytes()))); err != nil {
		return s.unread(r.Header, err)
	}
	return s.logEvent(ctx, who, s.decodeJSON(text.Bytes()), r.RemoteAddr, r.Header)
}
