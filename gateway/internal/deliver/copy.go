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
		if !strings.HasSuffix(e.Name(), cursorSuffix) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is being replaced; without it the destination begins where its configuration says
		}
		if err == nil {
			_, err = parseCursor(content)
		}
		if err != nil {
			return c, fmt.Errorf("deliver: %s: %w", e.Name(), err)
		}
		c.content[e.Name()] = content
	}
	return c, nil
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
