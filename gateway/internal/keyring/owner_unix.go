//go:build unix

package keyring

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner of the one it replaces: where root keeps the
// keys, the gateway must still be able to read them.
func keepOwner(path string, before os.FileInfo) error {
	was, ok := before.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil // only root may give files away, and nobody else has to
	}
	return os.Chown(path, int(was.Uid), int(was.Gid))
}
