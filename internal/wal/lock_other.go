//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package wal

import (
	"errors"
	"fmt"
	"io"
)

// lock refuses: two processes on one directory would destroy it.
func lock(name, _ string) (io.Closer, error) {
	return nil, fmt.Errorf("%s: this system has no lock that ends with its process: %w", name, errors.ErrUnsupported)
}
