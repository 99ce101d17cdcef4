package operations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"daybook.dev"
)

// statusOf is the HTTP status of each code.
var statusOf = map[daybook.Code]int{
	daybook.Invalid:         http.StatusBadRequest,
	daybook.Unauthenticated: http.StatusUnauthorized,
	daybook.Denied:          http.StatusForbidden,
	daybook.TooLarge:        http.StatusRequestEntityTooLarge,
	daybook.Conflict:        http.StatusConflict,
	daybook.Exhausted:       http.StatusTooManyRequests,
	daybook.Unavailable:     http.StatusServiceUnavailable,
	daybook.Unimplemented:   http.StatusNotImplemented,
	daybook.Internal:        http.StatusInternalServerError,
}

// A problem is an error as answers show it.
type problem struct {
	Code    string `json:"code"`
	Reason  string `json:"reason,omitzero"`
	Field   string `json:"field,omitzero"`
	Message string `json:"message"`
}

// problemOf returns what may be shown of err, and its code.
func problemOf(err error) (problem, daybook.Code) {
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok || e.Message == "" {
		return problem{Code: daybook.CodeOf(err).String(), Message: "this could not be done; the gateway's log says why"}, daybook.CodeOf(err)
	}
	return problem{Code: e.Code.String(), Reason: e.Reason, Field: e.Field, Message: e.Message}, e.Code
}

// refuseError answers with an error, and tells failed where it is not the
// request's fault.
func refuseError(w http.ResponseWriter, err error, failed func(error)) {
	p, code := problemOf(err)
	if failed != nil && (code == daybook.Internal || code == daybook.Unavailable) {
		failed(err)
	}
	if e, ok := errors.AsType[*daybook.Error](err); ok && e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, statusOf[code], p)
}

// notFound answers that there is no such thing.
func notFound(w http.ResponseWriter, message string) {
	refuse(w, http.StatusNotFound, "not_found", message)
}

// notAvailable answers for what a store cannot do; what is such as "dead letters
// are".
func notAvailable(what, direct string) http.HandlerFunc {
	message := what + " not available: this store cannot be read"
	if direct != "" {
		message = what + " not available with store: " + direct
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotImplemented, "unimplemented", message)
	}
}

// maxBody bounds the requests of people.
const maxBody = 64 << 10

// readJSON reads the body of a request into v. It knows every member it is sent:
// a filter with a misspelt member would mean more than was meant. False means
// that it has answered.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	in.DisallowUnknownFields()
	err := in.Decode(v)
	if err == nil {
		if _, more := in.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refuse(w, http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body has more than %d bytes", maxBody))
		return false
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid", "the body is not the JSON object that is expected here: "+err.Error())
		return false
	}
	return true
}
