package journal

import (
	"errors"
	"os"

	"daybook.dev/internal/wal"
)

// EventsKept says how many events a data directory keeps, from what the headers
// state and the records of the last chunk: it takes no longer for a large
// journal. Like Inspect it only reads, and takes no lock. A directory without a
// journal keeps none.
func EventsKept(dir string) (uint64, error) {
	chunks, err := wal.List(wal.OS{}, chunkDirectory(dir))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(chunks) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	last := &chunks[len(chunks)-1]
	oldest, _ := statedFrom(chunks)
	stated, _ := before(&last.Header)
	s := survey{fs: wal.OS{}}
	return less(stated, oldest) + s.wholeEvents(last), nil
}
