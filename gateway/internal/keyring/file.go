package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"daybook.dev/internal/wal"
)

// Read reads the file. Where there is none, the ring is empty.
func Read(path string) (Ring, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Update changes the file: whoever reads it sees all of the change or nothing.
// Nil means that the change is on the disk; what change returns an error for is
// not written. Updates at the same time follow one another. Only the owner can
// read a file that is made here; one that was there keeps its mode and owner.
func Update(path string, change func(*Ring) error) error {
	held, err := lock(path + ".lock")
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }() // nothing was written through it
	ring, err := Read(path)
	if err != nil {
		return err
	}
	if err := change(&ring); err != nil {
		return err
	}
	if err := ring.check(); err != nil {
		return err
	}
	text, err := ring.append(nil)
	if err != nil {
		return err
	}
	return replace(path, text)
}

// How long an update waits for another one, and how often it looks.
const (
	lockWithin = 5 * time.Second
	lockEvery  = 20 * time.Millisecond
)

func lock(name string) (io.Closer, error) {
	for end := time.Now().Add(lockWithin); ; {
		held, err := wal.OS{}.Lock(name, fmt.Sprintf("daybook keys, process %d", os.Getpid()))
		if _, locked := errors.AsType[*wal.LockedError](err); !locked || time.Now().After(end) {
			return held, err
		}
		time.Sleep(lockEvery)
	}
}

// replace writes the file under its name. It has the mode and the owner of the one
// before from the moment it is there: the gateway may look at it then, and looks
// again only when it changes.
func replace(path string, text []byte) error {
	before, none := os.Stat(path)
	err := wal.ReplaceFileAs(wal.OS{}, path, text, func(temporary string) error {
		if none != nil {
			return nil
		}
		return errors.Join(keepOwner(temporary, before), os.Chmod(temporary, before.Mode().Perm()))
	})
	if err != nil {
		return fmt.Errorf("callers: %w", err)
	}
	return nil
}
