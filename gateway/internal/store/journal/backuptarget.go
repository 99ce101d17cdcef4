package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"daybook.dev/internal/wal"
)

// openTarget makes or opens the directory of the copy and refuses one that
// holds something else.
func (b *backup) openTarget(dir string, now time.Time) error {
	o := Options{Dir: dir, FS: b.fs, Now: func() time.Time { return now }}
	if same(filepath.Dir(b.from), dir) {
		return errors.New("that is the directory to copy")
	}
	if err := foreign(b.fs, dir); err != nil {
		return err
	}
	lock, err := lockTarget(o)
	if err != nil {
		return err
	}
	b.lock = lock
	if err := b.fs.Mkdir(b.to); err != nil {
		return err
	}
	if err := b.fs.SyncDir(dir); err != nil {
		return err
	}
	b.target, err = wal.List(b.fs, b.to)
	if err != nil {
		return err
	}
	if err := b.compare(); err != nil {
		return err
	}
	return removeLeftovers(b.fs, b.to)
}

// same reports whether two names are of one directory.
func same(a, b string) bool {
	first, err1 := os.Stat(a)
	second, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(first, second)
}

// foreign refuses a directory that holds things and no journal: somebody has
// mistyped a name.
func foreign(fs wal.FS, dir string) error {
	names, err := fs.Names(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if name == filepath.Base(chunkDirectory(dir)) {
			return nil
		}
	}
	if len(names) > 0 {
		return errors.New("the directory holds other things: name a new one, or one with an earlier backup")
	}
	return nil
}

// compare refuses a target that is not an earlier state of the same journal.
func (b *backup) compare() error {
	followed := len(b.target) == 0 || len(b.chunks) == 0
	for i := range b.target {
		t := &b.target[i]
		same, found := b.source(t)
		switch {
		case same:
			followed = true
		case t.Err != nil:
			return fmt.Errorf("%s there is damaged (%w): name a new directory", filepath.Base(t.Name), t.Err)
		case t.Store != b.life.Store:
			return errors.New("it holds a backup of another journal: name a new directory")
		case t.Size <= wal.DataStart:
			// The end of an earlier backup, replaced by that of this one.
		case found, len(b.chunks) == 0, t.ID > b.chunks[0].ID:
			return errors.New("a gateway was started there and has stored events of its own: name a new directory")
		default:
			prev := b.chunks[0].Prev
			followed = followed || t.ID == prev.Chunk && t.Size >= prev.Offset
		}
	}
	if !followed && !b.onlyLives() {
		return errors.New("the journal no longer keeps what follows the backup there: name a new directory")
	}
	return nil
}

// source looks for the chunk of the journal that t is a copy of; found says
// that there is one of the same id.
func (b *backup) source(t *wal.Listed) (same, found bool) {
	for i := range b.chunks {
		if c := &b.chunks[i]; c.ID == t.ID {
			return c.Header == t.Header, true
		}
	}
	return false, false
}

// onlyLives reports whether nothing in the target has a record.
func (b *backup) onlyLives() bool {
	for i := range b.target {
		if b.target[i].Size > wal.DataStart {
			return false
		}
	}
	return true
}

// createLife makes the chunk that the copy ends with, unless it is there.
func (b *backup) createLife(now time.Time) error {
	for i := range b.target {
		t := &b.target[i]
		if t.ID == b.life.ID && t.Epoch == b.life.Epoch && t.First == b.life.First && t.Prev == b.life.Prev {
			return nil
		}
	}
	b.life.Created, b.life.Salt = now, newSalt()
	return createEmpty(b.fs, b.to, b.life)
}

// removeOldLives removes the ends of earlier backups.
func (b *backup) removeOldLives() error {
	for i := range b.target {
		t := &b.target[i]
		if _, found := b.source(t); found || t.ID == b.life.ID || t.Size > wal.DataStart {
			continue
		}
		if err := b.fs.Remove(t.Name); err != nil {
			return err
		}
	}
	return b.fs.SyncDir(b.to)
}

// copyKeys copies the key files, so that a gateway that starts in the copy need
// not make them. A damaged one is left behind.
func (b *backup) copyKeys() error {
	names, err := b.fs.Names(b.from)
	if err != nil {
		return err
	}
	files := keyFiles{fs: b.fs, dir: b.from, store: b.life.Store}
	for _, name := range names {
		id, ok := wal.ParseName(name, keysSuffix)
		if !ok || !b.complete(id) {
			continue
		}
		if err := b.copyKeyFile(files, id); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// complete reports whether the chunk with an id has all records it will have
// in the copy too. One that is no longer there had them.
func (b *backup) complete(id uint64) bool {
	for i := range b.chunks {
		if c := &b.chunks[i]; c.ID == id {
			return c.End.Chunk != 0
		}
	}
	return len(b.chunks) > 0 && id < b.chunks[0].ID
}

func (b *backup) copyKeyFile(files keyFiles, id uint64) error {
	there := keyFiles{fs: b.fs, dir: b.to, store: files.store}
	if _, err := there.open(id); err == nil {
		return nil
	}
	if _, err := files.open(id); err != nil {
		return nil // damaged, or gone since: the next start makes it
	}
	file, err := b.fs.Open(files.name(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	size, err := file.Size()
	if err != nil {
		return err
	}
	return copyFile(b.fs, io.NewSectionReader(file, 0, size), there.name(id))
}
