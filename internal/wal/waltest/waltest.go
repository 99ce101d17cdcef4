// Package waltest holds file systems for tests: FS fails when it is told to, Disk
// forgets what was not synced.
package waltest

import (
	"io"
	"sync"

	"daybook.dev/internal/wal"
)

// An FS passes every call on to another file system, less those it was told to
// fail. Reading and closing never fail. It is safe for concurrent use.
type FS struct {
	inner wal.FS

	mu     sync.Mutex
	calls  int   // guarded by mu, like everything below: calls that change something
	from   int   // the first one to fail; 0 = none
	to     int   // the last one
	err    error // with what
	volume *wal.Volume
}

// Wrap returns an FS over inner that fails nothing yet.
func Wrap(inner wal.FS) *FS { return &FS{inner: inner} }

// FailAt makes the n-th call from now on fail with err, and no other. A failed
// write has written half of its bytes.
func (f *FS) FailAt(n int, err error) { f.fail(n, n, err) }

// FailFrom makes the n-th call from now on fail with err, and all after it,
// until Heal.
func (f *FS) FailFrom(n int, err error) { f.fail(n, int(^uint(0)>>1), err) }

// Heal ends the failing.
func (f *FS) Heal() { f.fail(0, 0, nil) }

func (f *FS) fail(from, to int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.from, f.to, f.err = 0, from, to, err
}

// Failed reports whether a call has failed since the last FailAt or FailFrom.
func (f *FS) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.from > 0 && f.calls >= f.from
}

// PutOn makes the file system say that everything is stored on v.
func (f *FS) PutOn(v wal.Volume) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.volume = &v
}

// call counts a call and returns the error it has to fail with.
func (f *FS) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.from > 0 && f.calls >= f.from && f.calls <= f.to {
		return f.err
	}
	return nil
}

// Create implements [wal.FS].
func (f *FS) Create(name string) (wal.File, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.wrap(f.inner.Create(name))
}

// Open implements [wal.FS].
func (f *FS) Open(name string) (wal.File, error) { return f.wrap(f.inner.Open(name)) }

// Edit implements [wal.FS].
func (f *FS) Edit(name string) (wal.File, error) { return f.wrap(f.inner.Edit(name)) }

func (f *FS) wrap(inner wal.File, err error) (wal.File, error) {
	if err != nil {
		return nil, err
	}
	return file{File: inner, fs: f}, nil
}

// Rename implements [wal.FS].
func (f *FS) Rename(from, to string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.inner.Rename(from, to)
}

// Remove implements [wal.FS].
func (f *FS) Remove(name string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.inner.Remove(name)
}

// Mkdir implements [wal.FS].
func (f *FS) Mkdir(dir string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.inner.Mkdir(dir)
}

// Names implements [wal.FS].
func (f *FS) Names(dir string) ([]string, error) { return f.inner.Names(dir) }

// SyncDir implements [wal.FS].
func (f *FS) SyncDir(dir string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.inner.SyncDir(dir)
}

// Lock implements [wal.FS].
func (f *FS) Lock(name, note string) (io.Closer, error) { return f.inner.Lock(name, note) }

// Volume implements [wal.FS].
func (f *FS) Volume(dir string) (wal.Volume, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.volume != nil {
		return *f.volume, nil
	}
	return f.inner.Volume(dir)
}

type file struct {
	wal.File
	fs *FS
}

// WriteAt implements [wal.File]. When it fails, half is written: a torn write.
func (f file) WriteAt(b []byte, offset int64) (int, error) {
	if err := f.fs.call(); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], offset)
		return n, err
	}
	return f.File.WriteAt(b, offset)
}

// Sync implements [wal.File].
func (f file) Sync() error {
	if err := f.fs.call(); err != nil {
		return err
	}
	return f.File.Sync()
}
