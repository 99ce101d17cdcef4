package daybook

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An answer is what came back from a gateway, or from whatever stands where
// one was expected.
type answer struct {
	status int
	header http.Header
	text   []byte
	target string
}

// reply is the body of every answer of POST /v1/events.
type reply struct {
	Durability Durability `json:"durability"`
	Results    []result   `json:"results"`
	problem               // of the request as a whole
}

type result struct {
	Index   int    `json:"index"`
	EventID string `json:"event_id"`
	Status  Status `json:"status"`
	problem
}

// problem is how the gateway spells an [Error].
type problem struct {
	Code    *Code  `json:"code"`
	Reason  string `json:"reason"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// settle writes what the gateway said about the sent events into outcomes.
// The error means that it said nothing about single events.
func (a *answer) settle(outcomes []Outcome, sent []int) error {
	var r reply
	err := json.Unmarshal(a.text, &r)
	if err == nil && len(r.Results) > 0 {
		return a.settleEach(r, outcomes, sent)
	}
	if a.status >= 200 && a.status < 300 {
		return badReply(a.target+" answered "+strconv.Itoa(a.status)+" without results: is it a Daybook gateway?", err)
	}
	return a.refusal(r.problem)
}

// settleEach requires one result for every event that was sent, in whatever
// order: half an answer is none.
func (a *answer) settleEach(r reply, outcomes []Outcome, sent []int) error {
	if len(r.Results) != len(sent) {
		return badReply("the reply has "+strconv.Itoa(len(r.Results))+" results for "+strconv.Itoa(len(sent))+" events", nil)
	}
	seen := make([]bool, len(sent))
	for _, result := range r.Results {
		n := result.Index
		if n < 0 || n >= len(sent) || seen[n] {
			return badReply("the reply names index "+strconv.Itoa(n)+" wrongly", nil)
		}
		seen[n] = true
		o := &outcomes[sent[n]]
		id := o.ID
		*o = result.outcome(sent[n], r.Durability, a.retryAfter())
		if id != "" {
			o.ID = id // the one by which whoever wrote the event finds it again
		}
	}
	return nil
}

func (r *result) outcome(index int, durability Durability, retryAfter time.Duration) Outcome {
	o := Outcome{ID: r.EventID, Status: r.Status, Reason: r.Reason}
	switch r.Status {
	case Stored, Duplicate:
		o.Durability = durability
		if r.Code == nil || *r.Code == OK {
			return o
		}
	case Dropped:
		return o
	}
	e := r.error(statusCodes[r.Status])
	e.Index = index
	if r.Status != Refused {
		e.RetryAfter = retryAfter
	}
	o.Err = e
	return o
}

// statusCodes is the code of a result that names none.
var statusCodes = map[Status]Code{Unknown: Unavailable, Refused: Invalid, Failed: Unavailable}

func (p *problem) error(code Code) *Error {
	if p.Code != nil && *p.Code != OK {
		code = *p.Code
	}
	return &Error{Code: code, Where: "gateway", Field: p.Field, Reason: p.Reason, Message: p.Message}
}

// httpCodes says what a status means when it concerns the request as a whole.
// Other statuses from 500 on are Unavailable, the rest Unimplemented: whoever
// answers like that is no gateway.
var httpCodes = map[int]Code{
	http.StatusBadRequest:            Invalid,
	http.StatusUnauthorized:          Unauthenticated,
	http.StatusForbidden:             Denied,
	http.StatusRequestTimeout:        Unavailable,
	http.StatusRequestEntityTooLarge: TooLarge,
	http.StatusUnsupportedMediaType:  Unimplemented,
	http.StatusUnprocessableEntity:   Invalid,
	http.StatusTooEarly:              Unavailable,
	http.StatusTooManyRequests:       Exhausted,
	http.StatusNotImplemented:        Unimplemented,
}

// refusal is the error of an answer that concerns the request as a whole.
func (a *answer) refusal(p problem) error {
	code, known := httpCodes[a.status]
	switch {
	case known:
	case a.status >= 500:
		code = Unavailable
	default:
		code = Unimplemented
	}
	// The status decides: a proxy's 503 is retried whatever its page says.
	p.Code = nil
	e := p.error(code)
	if e.Reason == "" {
		e.Reason = "http_" + strconv.Itoa(a.status)
	}
	if e.Message == "" {
		e.Message = strings.TrimSpace(a.target + " answered " + strconv.Itoa(a.status) + " " + http.StatusText(a.status))
		if code == Unimplemented {
			e.Message += ": is it a Daybook gateway?"
		}
	}
	e.RetryAfter = a.retryAfter()
	return e
}

func badReply(message string, cause error) error {
	return &Error{Code: Unavailable, Where: "gateway", Reason: "bad_reply", Message: message, Err: cause}
}

// retryAfter reads the Retry-After header: seconds or a date. A wait longer
// than an hour is somebody's mistake and counts as an hour.
func (a *answer) retryAfter() time.Duration {
	text := a.header.Get("Retry-After")
	seconds, err := strconv.ParseInt(text, 10, 64)
	wait := time.Duration(max(0, min(seconds, 3600))) * time.Second
	if errors.Is(err, strconv.ErrSyntax) {
		at, err := http.ParseTime(text)
		if err != nil {
			return 0
		}
		wait = time.Until(at)
	}
	return max(0, min(wait, time.Hour))
}
