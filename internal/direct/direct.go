// Package direct marks sinks that a client writes to on the goroutine of whoever
// records, without a queue. Only this module's own test support does that.
package direct

// Mark is what only this module can name.
type Mark struct{}

// A Sink is written to directly.
type Sink interface{ Direct(Mark) }
