//go:build !unix

package webhook_test

// servePeer does nothing: the benchmark is not there.
func servePeer() {}
