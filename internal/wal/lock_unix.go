//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package wal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// lock holds name with flock, which the kernel releases when the process ends,
// however it ends.
func lock(name, note string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer func() { _ = f.Close() }()
		return nil, &LockedError{Name: name, Holder: holder(f)}
	}
	if err == nil {
		err = leave(f, note)
	}
	if err != nil {
		_ = f.Close()
		return nil, os.NewSyscallError("flock "+name, err)
	}
	if !isStill(f, name) {
		_ = f.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

// isStill reports whether name is still the file that was opened. One that its
// holder has removed in between protects nothing: who comes next makes another.
func isStill(f *os.File, name string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(name)
	return err == nil && os.SameFile(opened, named)
}

// leave writes the note. The file stays when the lock is released: who removes it
// does so while holding it.
func leave(f *os.File, note string) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(note+"\n"), 0)
	return err
}

func holder(f *os.File) string {
	var b [256]byte
	n, _ := f.ReadAt(b[:], 0)
	return strings.TrimSpace(string(b[:n]))
}
