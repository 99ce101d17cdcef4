package deliver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"daybook.dev/internal/wal"
)

// Cursors are the cursors of a data directory as they were at one moment, to be
// copied with its journal. They are taken before the journal is: then they lag
// behind the copy, and what they miss is delivered again.
type Cursors struct {
	content map[string][]byte // by the file's name
}

// TakeCursors reads the cursors of a data directory, also of a gateway that
// runs. A directory without any has none.
func TakeCursors(data string) (Cursors, error) {
	c := Cursors{content: map[string][]byte{}}
	dir := filepath.Join(data, folder)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("deliver: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), ".old"), cursorSuffix)
		if !ok {
			continue
		}
		content, err := takeCursor(dir, name)
		if err != nil {
			return c, fmt.Errorf("deliver: %w", err)
		}
		c.content[name+cursorSuffix] = content
	}
	return c, nil
}

// takeCursor reads the cursor of a destination. While a gateway replaces it there
// is only the one before.
func takeCursor(dir, destination string) ([]byte, error) {
	name := filepath.Join(dir, destination+cursorSuffix)
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		name = filepath.Join(dir, destination+oldSuffix)
		content, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	if _, err := parseCursor(content); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return content, nil
}

// CopyTo writes the cursors into another data directory. Cursors that are there
// of other destinations stay.
func (c Cursors) CopyTo(data string) error {
	if len(c.content) == 0 {
		return nil
	}
	files := cursorFiles{fs: wal.OS{}, dir: filepath.Join(data, folder)}
	if err := files.make(); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	for name, content := range c.content {
		if err := wal.ReplaceFile(files.fs, filepath.Join(files.dir, name), content); err != nil {
			return fmt.Errorf("deliver: %w", err)
		}
	}
	return nil
}
