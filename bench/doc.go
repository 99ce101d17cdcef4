// Package bench measures what recording an event costs, beside the peers that
// an application might use instead, in one run and on one machine:
//
//	cd bench && GOWORK=off go test -bench . -benchmem
//
// The figure to compare is cpu-ns/event: the processor time of the whole process,
// background work included. Every event has five attributes.
package bench
