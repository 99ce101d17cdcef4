package otlp

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// An encoding is how requests and answers are written.
type encoding uint8

const (
	inProto encoding = iota
	inJSON
)

var mediaTypes = [...]string{inProto: "application/x-protobuf", inJSON: "application/json"}

// encodingOf is what a request over plain HTTP says it is written in. Where it
// says neither, the answer is in JSON, which people can read.
func encodingOf(h http.Header) (encoding, *daybook.Error) {
	given := h.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if err == nil {
		switch media {
		case mediaTypes[inProto]:
			return inProto, nil
		case mediaTypes[inJSON]:
			return inJSON, nil
		}
	}
	const most = 64
	return inJSON, &daybook.Error{
		Code: daybook.Unimplemented, Reason: reasonUnsupportedMediaType,
		Message: fmt.Sprintf("content type %q is neither %s nor %s", given[:min(len(given), most)], mediaTypes[inProto], mediaTypes[inJSON]),
	}
}

// Handler returns the handler of Path.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := encodingOf(r.Header)
		outcomes, err := s.receive(r, e, err)
		if err != nil {
			s.TurnedAway(Protocol, r.Header, err)
		}
		s.answer(w, e, outcomes, err)
	})
}

// receive reads, decodes and stores the records of r. An error refuses the
// request as a whole; then nothing was stored.
func (s *Service) receive(r *http.Request, e encoding, unreadable *daybook.Error) ([]daybook.Outcome, *daybook.Error) {
	if r.Method != http.MethodPost {
		return nil, &daybook.Error{Code: daybook.Unimplemented, Reason: intake.ReasonMethodNotAllowed, Message: "logs are sent with POST"}
	}
	who, err := s.Enter(Protocol, r)
	if err != nil {
		return nil, err
	}
	if unreadable != nil {
		return nil, unreadable
	}
	text, err := s.Body.Read(r)
	if err != nil {
		s.Wasted(who, s.Body.Announced(r), err)
		return nil, err
	}
	defer text.Release()
	return s.export(r.Context(), who, raw{text.Bytes(), e}, text.Charge, r.Header)
}

// export decodes the records of a request's body and stores them.
func (s *Service) export(
	ctx context.Context, who caller.Caller, body raw, pay func(int64) *daybook.Error, header http.Header,
) ([]daybook.Outcome, *daybook.Error) {
	d := newDecoder(pay)
	defer d.release()
	events, err := d.decode(body.bytes, body.encoding, s.MostEvents(), s.Unnamed)
	if err != nil || len(events) == 0 {
		s.Wasted(who, int64(len(body.bytes)), err)
		s.Reported(who, header, nil, err)
		return nil, err
	}
	outcomes := s.Accept(ctx, accept.Batch{
		Caller: who, Protocol: Protocol, Request: intake.RequestIDOf(header), Events: events, Bytes: len(body.bytes),
	})
	s.Reported(who, header, outcomes, nil)
	return outcomes, nil
}

// answer writes the reply. Err is what refused the request as a whole.
func (s *Service) answer(w http.ResponseWriter, e encoding, outcomes []daybook.Outcome, err *daybook.Error) {
	status := intake.StatusOf(outcomes, err)
	var body []byte
	if status == http.StatusOK {
		body = response(e, outcomes)
	} else {
		body = appendStatus(nil, e, failureOf(outcomes, err))
	}
	header := w.Header()
	intake.SetHeaders(header, status, s.Durability, outcomes, err)
	header["Content-Type"] = []string{mediaTypes[e]}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is not our failure
}
