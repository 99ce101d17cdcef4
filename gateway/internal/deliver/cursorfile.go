package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

const (
	folder = "deliver" // in the data directory

	cursorSuffix  = ".cursor"
	oldSuffix     = ".cursor.old"     // the copy before
	newSuffix     = ".cursor.tmp"     // being written
	damagedSuffix = ".cursor.damaged" // put aside for people to look at

	cursorMagic   = "daybook-cursor"
	cursorVersion = 1
	maxCursor     = 64 << 20
)

// errVersion means that a cursor was written by a newer release.
var errVersion = errors.New("written by a newer version of daybook")

// cursorFiles reads and writes the cursors of one data directory.
type cursorFiles struct {
	fs  wal.FS
	dir string
}

func (f cursorFiles) name(destination, suffix string) string {
	return filepath.Join(f.dir, destination+suffix)
}

// CursorFile is where the cursor of a destination is kept, in a data directory.
func CursorFile(data, destination string) string {
	return cursorFiles{dir: filepath.Join(data, folder)}.name(destination, cursorSuffix)
}

// encode returns the content of a cursor's file: a line with magic, version
// and check, then the cursor as JSON.
func (c *cursor) encode() ([]byte, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	head := fmt.Sprintf("%s %d", cursorMagic, cursorVersion)
	return fmt.Appendf(nil, "%s %08x\n%s", head, checkOf(head, body), body), nil
}

// checkOf covers the head, too: rot must not pass for a newer version.
func checkOf(head string, body []byte) uint32 {
	sum := wal.NewChecksum()
	_, _ = sum.Write([]byte(head))
	_, _ = sum.Write(body)
	return sum.Sum32()
}

// parseCursor is the inverse of encode.
func parseCursor(content []byte) (*cursor, error) {
	line, body, _ := bytes.Cut(content, []byte("\n"))
	at := max(0, bytes.LastIndexByte(line, ' '))
	head, check := string(line[:at]), string(line[at:])
	if check != fmt.Sprintf(" %08x", checkOf(head, body)) {
		return nil, errors.New("checksum mismatch")
	}
	var version int
	if _, err := fmt.Sscanf(head, cursorMagic+" %d", &version); err != nil {
		return nil, errors.New("it does not begin like a cursor")
	}
	if version > cursorVersion {
		return nil, fmt.Errorf("format %d: %w", version, errVersion)
	}
	c := &cursor{}
	if err := json.Unmarshal(body, c); err != nil {
		return nil, err
	}
	if !c.sound() {
		return nil, errors.New("its parts contradict each other")
	}
	return c, nil
}

// A loaded is what was found of a destination's cursor.
type loaded struct {
	cursor  *cursor // nil = nothing that can be used
	old     bool    // it is the copy before the last
	damaged error   // what is wrong with the newer copy, or with both
}

// load reads the cursor of a destination, or else the copy before it. The error
// means that the gateway must not go on: a newer release wrote it, or the disk
// cannot be read.
func (f cursorFiles) load(destination string) (loaded, error) {
	var l loaded
	for _, suffix := range []string{cursorSuffix, oldSuffix} {
		name := f.name(destination, suffix)
		c, err := f.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			l.old = true
			continue
		}
		if errors.Is(err, errUnopened) {
			return l, fmt.Errorf("deliver: %w", err)
		}
		if errors.Is(err, errVersion) {
			return l, fmt.Errorf("deliver: %s: %w: use that version, or move the file away to deliver everything again", name, err)
		}
		if err == nil && c.Destination != destination {
			err = fmt.Errorf("it is that of %q", c.Destination)
		}
		if err == nil {
			l.cursor = c
			return l, nil
		}
		l.old, l.damaged = true, errors.Join(l.damaged, fmt.Errorf("%s: %w", filepath.Base(name), err))
		// Out of the way, or the next save would keep it as the copy before.
		if err := f.fs.Rename(name, f.name(destination, damagedSuffix)); err != nil {
			return l, fmt.Errorf("deliver: %w", err)
		}
	}
	return l, nil
}

// write writes the cursor of a destination beside its last one.
func (f cursorFiles) write(destination string, content []byte) error {
	name := f.name(destination, newSuffix)
	if err := f.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := f.fs.Create(name)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// replace makes what was written the cursor, and the one before it the copy. It
// is kept once the folder is synced; whatever a crash leaves of the two
// renames, one of the files is whole.
func (f cursorFiles) replace(destination string) error {
	name := f.name(destination, cursorSuffix)
	if err := f.fs.Rename(name, f.name(destination, oldSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.fs.Rename(f.name(destination, newSuffix), name)
}

func (f cursorFiles) sync() error { return f.fs.SyncDir(f.dir) }

// make makes the folder, and removes what was being written when the last run
// ended.
func (f cursorFiles) make() error {
	if err := f.fs.Mkdir(f.dir); err != nil {
		return err
	}
	if err := f.fs.SyncDir(filepath.Dir(f.dir)); err != nil {
		return err
	}
	files, err := f.fs.Names(f.dir)
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, newSuffix) {
			if err := f.fs.Remove(filepath.Join(f.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// errUnopened means that nothing is known about a file: it must not pass for
// damaged, or everything would be delivered again.
var errUnopened = errors.New("cannot be opened")

// read reads and checks one file.
func (f cursorFiles) read(name string) (*cursor, error) {
	file, err := f.fs.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnopened, err)
	}
	defer func() { _ = file.Close() }()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > maxCursor {
		return nil, fmt.Errorf("%d bytes are too many", size)
	}
	content := make([]byte, size)
	if n, err := file.ReadAt(content, 0); n < len(content) {
		return nil, err
	}
	return parseCursor(content)
}

// MarshalJSON writes a span as [first, last, events].
func (s span) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]uint64{uint64(s.First), uint64(s.Last), s.Events})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *span) UnmarshalJSON(text []byte) error {
	var parts [3]uint64
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	*s = span{First: store.Position(parts[0]), Last: store.Position(parts[1]), Events: parts[2]}
	return nil
}
