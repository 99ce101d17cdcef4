// Package caller says who is calling. It is the only place that looks at
// credentials; everything behind it knows a Caller.
//
// A Config lists the callers, a Row each. The Registry made of it answers every
// intake's one question, Authenticate, from the headers and the certificate of a
// request: what it reads is bounded, what it compares is hashed first, and what
// costs much (passwords that people chose) is done once and remembered.
package caller

import "daybook.dev"

// A Caller is somebody who may send events. The zero value is nobody.
type Caller struct {
	// Name is the caller's configured name. It labels metrics and rows, and
	// event ids are unique within it.
	Name string

	// Public says that what its users' browsers report (marketing_tracking) may
	// leave: a property of the row it was proved by, never of what it says of
	// itself.
	Public bool

	bounds *bounds // nil = none
}

// Anonymous is the caller of a request that proved nothing, where the gateway
// lets such requests in.
var Anonymous = Caller{Name: AnonymousName}

// AnonymousName is the name of whoever proves nothing. The row of that name says
// what they may do.
const AnonymousName = "anonymous"

// bounds are what a caller may send, and how much.
type bounds struct {
	events patterns // empty = all
	quota  *quota   // nil = without bound
}

// MaySend returns why the caller may not send events of that name, or nil.
func (c Caller) MaySend(event string) *daybook.Error {
	if c.bounds == nil || c.bounds.events.match(event) {
		return nil
	}
	return &daybook.Error{
		Code: daybook.Denied, Where: Where, Field: "event_name", Reason: ReasonEventNotAllowed,
		Message: "this caller may not send events of this name",
	}
}

// Take takes a batch from the caller's quota. Nil means that it is taken; an
// error is Exhausted, says when to come again, and means that nothing was taken.
// A batch may be larger than what is left, and even than the burst: it is let in
// while anything is left, and the next one only when it has been paid for. So no
// batch is too large for ever, and what gets in over time is what the quota says.
func (c Caller) Take(events, bytes int) *daybook.Error {
	if c.bounds == nil || c.bounds.quota == nil {
		return nil
	}
	return overQuota(c.bounds.quota.take(events, bytes))
}
