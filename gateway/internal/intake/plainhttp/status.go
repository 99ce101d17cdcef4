package plainhttp

import (
	"net/http"

	"daybook.dev"
)

// statuses are the answers to a request that is refused as a whole.
var statuses = map[daybook.Code]int{
	daybook.Invalid:         http.StatusBadRequest,
	daybook.Unauthenticated: http.StatusUnauthorized,
	daybook.Denied:          http.StatusForbidden,
	daybook.TooLarge:        http.StatusRequestEntityTooLarge,
	daybook.Conflict:        http.StatusBadRequest,
	daybook.Exhausted:       http.StatusTooManyRequests,
	daybook.Unavailable:     http.StatusServiceUnavailable,
	daybook.Unimplemented:   http.StatusUnsupportedMediaType, // a format or an encoding
	daybook.Internal:        http.StatusServiceUnavailable,
}

// statusOf is the status of an answer: 429 or 503 when any event failed, as
// sending the batch again is then safe and needed; 400 when all were refused;
// else 200, also for a batch of no events.
func statusOf(outcomes []daybook.Outcome, err *daybook.Error) int {
	if err != nil {
		return statuses[daybook.CodeOf(err)]
	}
	refused := 0
	status := http.StatusOK
	for i := range outcomes {
		switch outcomes[i].Status {
		case daybook.Stored, daybook.Duplicate, daybook.Dropped:
		case daybook.Refused:
			refused++
		default: // failed, or nobody knows: to the caller the same
			if daybook.CodeOf(outcomes[i].Err) == daybook.Exhausted {
				return http.StatusTooManyRequests
			}
			status = http.StatusServiceUnavailable
		}
	}
	if len(outcomes) > 0 && refused == len(outcomes) {
		return http.StatusBadRequest
	}
	return status
}
