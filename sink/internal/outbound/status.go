package outbound

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"daybook.dev"
)

// codes says what the status of an answer means. Redirects are Unimplemented,
// other statuses below 500 Invalid, from 500 on Unavailable.
//
// That the address serves nothing (404, 405, 410), or not what we send (406,
// 415), is nothing an event can be blamed for: events wait until somebody has
// corrected the address.
var codes = map[int]daybook.Code{
	http.StatusUnauthorized:      daybook.Unauthenticated,
	http.StatusProxyAuthRequired: daybook.Unauthenticated,

	http.StatusPaymentRequired:            daybook.Denied,
	http.StatusForbidden:                  daybook.Denied,
	http.StatusUnavailableForLegalReasons: daybook.Denied,

	http.StatusNotFound:                    daybook.Unimplemented,
	http.StatusMethodNotAllowed:            daybook.Unimplemented,
	http.StatusNotAcceptable:               daybook.Unimplemented,
	http.StatusGone:                        daybook.Unimplemented,
	http.StatusLengthRequired:              daybook.Unimplemented,
	http.StatusRequestURITooLong:           daybook.Unimplemented,
	http.StatusUnsupportedMediaType:        daybook.Unimplemented,
	http.StatusMisdirectedRequest:          daybook.Unimplemented,
	http.StatusUpgradeRequired:             daybook.Unimplemented,
	http.StatusRequestHeaderFieldsTooLarge: daybook.Unimplemented,
	http.StatusNotImplemented:              daybook.Unimplemented,

	http.StatusConflict:              daybook.Conflict,
	http.StatusRequestEntityTooLarge: daybook.TooLarge,

	http.StatusTooManyRequests: daybook.Exhausted,
	http.StatusRequestTimeout:  daybook.Unavailable,
	http.StatusTooEarly:        daybook.Unavailable,
}

// code returns what a status means here.
func (c *Client) code(status int) daybook.Code {
	if code, ok := c.codes[status]; ok {
		return code
	}
	if code, ok := codes[status]; ok {
		return code
	}
	switch {
	case status < 400:
		return daybook.Unimplemented
	case status < 500:
		return daybook.Invalid
	}
	return daybook.Unavailable
}

// refusal is the error of an answer. The answer's body is not in it: receivers
// like to repeat what they were sent.
func (c *Client) refusal(status int, header http.Header) error {
	e := &daybook.Error{
		Code: c.code(status), Where: c.where, Reason: "http_" + strconv.Itoa(status),
		Message: strings.TrimSpace(c.origin + " answered " + strconv.Itoa(status) + " " + http.StatusText(status)),
	}
	switch {
	case e.Code == daybook.Exhausted || e.Code == daybook.Unavailable:
		e.RetryAfter = retryAfter(header.Get("Retry-After"), time.Now())
	case status < 400:
		e.Message += ": redirects are not followed; write the address it names"
	}
	return e
}

// retryAfter reads a Retry-After header: seconds or a date. A wait longer than
// an hour is somebody's mistake and counts as an hour.
func retryAfter(text string, now time.Time) time.Duration {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		at, err := http.ParseTime(text)
		if err != nil {
			return 0
		}
		return max(0, min(at.Sub(now), time.Hour))
	}
	return time.Duration(max(0, min(seconds, 3600))) * time.Second // beyond int64 is beyond an hour too
}
