// Package caller says who is calling. It is the only place that looks at
// credentials; everything behind it knows a Caller.
package caller

// A Caller is somebody who may send events. The zero value is nobody.
type Caller struct {
	// Name is the caller's configured name. It labels metrics and rows, and
	// event ids are unique within it.
	Name string

	// Public says that what its users' browsers report (marketing_tracking) may
	// leave: a property of the row it was proved by, never of what it says of
	// itself.
	Public bool
}

// Anonymous is the caller of a request that proved nothing, where the gateway
// lets such requests in.
var Anonymous = Caller{Name: "anonymous"}
