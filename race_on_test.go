//go:build race

package daybook_test

// raced says that the race detector is on: it makes pools forget at random, so
// that allocations are not counted.
const raced = true
