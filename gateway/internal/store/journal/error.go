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
		return diskFull("the store's disk is full", err)
	}
	e := failure(daybook.Unavailable, "store_failed", "the store could not write to its disk", err)
	e.RetryAfter = time.Second
	return e
}

func diskFull(message string, err error) *daybook.Error {
	e := failure(daybook.Exhausted, "disk_full", message, err)
	e.RetryAfter = 5 * time.Second
	return e
}

// slowDisk says that the disk keeps everybody waiting.
func slowDisk(err error) *daybook.Error {
	e := failure(daybook.Unavailable, "store_slow", "the store's disk has not answered yet", err)
	e.RetryAfter = time.Second
	return e
}

// overloaded says that more is waiting to be written than may wait.
func overloaded() *daybook.Error {
	e := failure(daybook.Exhausted, "store_overloaded", "the store has too much to write; try again", nil)
	e.RetryAfter = time.Second
	return e
}

// A keyName says which of an event's keys was seen before.
type keyName int

const (
	byID keyName = iota
	byIdempotencyKey
)

// conflict says that a key names another event already.
func conflict(by keyName) *daybook.Error {
	if by == byIdempotencyKey {
		return &daybook.Error{
			Code: daybook.Conflict, Where: "journal", Field: "idempotency_key", Reason: "idempotency_conflict",
			Message: "idempotency_key was used before for an event with other content; the first one stays",
		}
	}
	return &daybook.Error{
		Code: daybook.Conflict, Where: "journal", Field: "event_id", Reason: "id_conflict",
		Message: "event_id was used before for an event with other content; the first one stays",
	}
}
