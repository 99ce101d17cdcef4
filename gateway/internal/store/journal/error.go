package journal

import (
	"errors"
	"syscall"
	"time"

	"daybook.dev"
)

// failure is an error of this package. message may be shown to callers.
func failure(code daybook.Code, reason, message string, err error) *daybook.Error {
	return &daybook.Error{Code: code, Where: "journal", Reason: reason, Message: message, Err: err}
}

// writeFailure says what a failed write, sync or file creation means to
// whoever waits for it.
func writeFailure(err error) *daybook.Error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		e := failure(daybook.Exhausted, "disk_full", "the store's disk is full", err)
		e.RetryAfter = 5 * time.Second
		return e
	}
	e := failure(daybook.Unavailable, "store_failed", "the store could not write to its disk", err)
	e.RetryAfter = time.Second
	return e
}

// overloaded says that more is waiting to be written than may wait.
func overloaded() *daybook.Error {
	e := failure(daybook.Exhausted, "store_overloaded", "the store has too much to write; try again", nil)
	e.RetryAfter = time.Second
	return e
}

// conflict says that an id names another event already.
func conflict() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Conflict, Where: "journal", Field: "event_id", Reason: "id_conflict",
		Message: "event_id was used before for an event with other content; the first one stays",
	}
}
