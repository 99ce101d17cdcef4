// Package wal reads and writes chunk files: numbered records behind a header
// that says where the chunk before ended. docs/journal-format.md is the format
// and what is assumed of the disk; read it first.
//
// The package has three layers: [FS] is the disk; [Header], [Chunk] and
// [Scanner] are the format of one file; [List] puts the files of a directory
// into order. It knows nothing about what the records say, when to start a new
// chunk, or who waits for a sync.
package wal

import (
	"errors"
	"hash"
	"hash/crc32"
	"io"
)

// An FS is the part of a file system that chunk files need. It is an interface
// so that tests can fail or tear any single call.
type FS interface {
	Files
	Directories
}

// Files makes, opens and moves files.
type Files interface {
	// Create makes a new file for reading and writing. It fails with
	// fs.ErrExist when there is one.
	Create(name string) (File, error)
	// Open opens a file for reading and syncing.
	Open(name string) (File, error)
	// Edit opens a file that is there for reading, writing and syncing.
	Edit(name string) (File, error)
	// Rename replaces to by from.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
}

// Directories is what is done to a directory as a whole.
type Directories interface {
	// Mkdir makes a directory only its owner can enter, and its parents. Nil
	// when it is there already.
	Mkdir(dir string) error
	// Names returns the names in a directory, sorted.
	Names(dir string) ([]string, error)
	// SyncDir returns nil when the names in dir are kept.
	SyncDir(dir string) error
	// Lock holds the file name for this process until closed. It fails with a
	// *LockedError when another process holds it. note is left in the file
	// for whoever is refused.
	Lock(name, note string) (io.Closer, error)
	// Volume says what dir is stored on.
	Volume(dir string) (Volume, error)
}

// A File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync returns nil when everything written, and the file's size, is kept.
	// After an error nothing is known, and a second call proves nothing.
	Sync() error
	Size() (int64, error)
}

// A Volume is what a directory is stored on.
type Volume struct {
	Kind    string // "ext4", "tmpfs"; a number where the name is not known
	Memory  bool   // its content is lost with the machine
	Network bool   // another machine, or a program, decides what a sync means
	Free    int64  // bytes this process may still write; -1 = not known
	Size    int64  // bytes there are in all; 0 = not known
}

// A LockedError says that another process holds a lock.
type LockedError struct {
	Name   string // the lock file
	Holder string // the note its holder left; may be empty
}

func (e *LockedError) Error() string {
	if e.Holder == "" {
		return e.Name + ": held by another process"
	}
	return e.Name + ": held by " + e.Holder
}

// ErrVersion means that a file has a newer format than this program reads.
var ErrVersion = errors.New("written by a newer version")

// errDamaged means that bytes do not match their check.
var errDamaged = errors.New("checksum mismatch")

// castagnoli is the polynomial processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the check of the format: CRC-32C.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// NewChecksum computes a Checksum piece by piece.
func NewChecksum() hash.Hash32 { return crc32.New(castagnoli) }
