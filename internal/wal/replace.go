package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// ReplaceFile makes the file name hold content. Nil means that it does after a
// crash, too. After an error, or a crash in between, it holds what it held
// before or the new content, and never a part of either.
//
// It writes name.tmp first; two calls for one name must not overlap.
func ReplaceFile(disk FS, name string, content []byte) error {
	return ReplaceFileAs(disk, name, content, func(string) error { return nil })
}

// ReplaceFileAs is ReplaceFile for a file that is not made as others are: ready is
// told where the new content lies before it takes the name, to give it the mode and
// the owner it is to be seen with. An error of ready's leaves the file as it was.
func ReplaceFileAs(disk FS, name string, content []byte, ready func(temporary string) error) error {
	temporary := name + ".tmp"
	if err := disk.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(disk, temporary, content); err != nil {
		return err
	}
	if err := ready(temporary); err != nil {
		return err
	}
	if err := disk.Rename(temporary, name); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(name))
}

// writeNew makes a file that holds content, and syncs it.
func writeNew(disk FS, name string, content []byte) error {
	file, err := disk.Create(name)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// ReadFile returns what the file name holds, and refuses to read more than most
// bytes. Where there is no such file the error is fs.ErrNotExist.
func ReadFile(disk FS, name string, most int64) ([]byte, error) {
	file, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d it may have", name, size, most)
	}
	content := make([]byte, size)
	if n, err := file.ReadAt(content, 0); n < len(content) || err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %d of %d bytes could be read: %w", name, n, size, err)
	}
	return content, nil
}
