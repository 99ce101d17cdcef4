package journal

import (
	"errors"
	"fmt"
	"os"

	"daybook.dev/internal/wal"
)

// Format returns the version of the format that a gateway writes in a data
// directory, and the newest one this program knows.
func Format(dir string) (written, newest uint32, err error) {
	chunks, err := wal.List(wal.OS{}, chunkDirectory(dir))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, wal.Format, fmt.Errorf("journal: %s: no journal is kept here", dir)
	case err != nil:
		return 0, wal.Format, fmt.Errorf("journal: %s: %w", dir, err)
	}
	return lastHeader(chunks).Version, wal.Format, nil
}
