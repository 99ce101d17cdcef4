//go:build unix

package serve

import "syscall"

// descriptors is how many files and connections the process may have open, 0
// where that cannot be told.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // some systems have a signed one
}
