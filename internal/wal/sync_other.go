//go:build !linux

package wal

import "os"

// datasync uses what Go makes of the system's best sync: F_FULLFSYNC on Darwin,
// where a plain fsync leaves the bytes in the disk's own cache.
func datasync(f *os.File) error { return f.Sync() }
