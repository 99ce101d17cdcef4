package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	chunkSuffix     = ".chunk"
	temporarySuffix = ".tmp"
)

// ChunkName is the file name of a chunk.
func ChunkName(id uint64) string { return fmt.Sprintf("%016x%s", id, chunkSuffix) }

// ParseName returns the id in a file name made of 16 hexadecimal digits and
// suffix.
func ParseName(name, suffix string) (id uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 16, 64)
	return id, err == nil && id != 0 && digits == strings.ToLower(digits)
}

// A Listed is a chunk file as [List] found it.
type Listed struct {
	Header // only ID is set when Err is not nil
	Name   string
	Size   int64

	// End is where the chunk ends. End.Chunk is zero where no header says:
	// then the chunk reaches to its last valid record.
	End End

	// Until is the sequence that no record of the chunk reaches, known from
	// the next chunk. Zero: there is none.
	Until uint64

	// Err says why the header cannot be used. The records of such a chunk
	// cannot be read: without the salt nothing tells them from other bytes.
	Err error

	// Flaws is what of the header is damaged although it can be used.
	Flaws []Flaw
}

// List returns the chunks in dir, oldest first, each with its end. The error
// is for a directory or file that cannot be read, a newer format, and chunks
// of two journals in one directory; a damaged header is in Listed.Err.
func List(fs FS, dir string) ([]Listed, error) {
	names, err := fs.Names(dir)
	if err != nil {
		return nil, err
	}
	var chunks []Listed
	for _, name := range names {
		id, ok := ParseName(name, chunkSuffix)
		if !ok {
			continue
		}
		c, err := inspect(fs, filepath.Join(dir, name), id)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since: the directory belongs to a running process
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		chunks = append(chunks, c)
	}
	if err := sameStore(chunks); err != nil {
		return nil, err
	}
	fixEnds(chunks)
	return chunks, nil
}

// inspect reads the header of one file.
func inspect(fs FS, name string, id uint64) (Listed, error) {
	file, err := fs.Open(name)
	if err != nil {
		return Listed{}, err
	}
	defer func() { _ = file.Close() }()
	size, err := file.Size()
	if err != nil {
		return Listed{}, err
	}
	b := make([]byte, min(size, DataStart))
	if _, err := file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return Listed{}, err
	}
	h, err := parseHeader(b)
	if errors.Is(err, ErrVersion) {
		return Listed{}, err
	}
	if err == nil && h.ID != id {
		err = fmt.Errorf("header: it is the one of chunk %x", h.ID)
	}
	if err != nil {
		return Listed{Header: Header{ID: id}, Name: name, Size: size, Err: err}, nil
	}
	return Listed{Header: h, Name: name, Size: size, Flaws: headerFlaws(b, &h)}, nil
}

// sameStore refuses a directory with files of two journals: reading them as
// one would mix their sequences.
func sameStore(chunks []Listed) error {
	var first *Listed
	for i := range chunks {
		c := &chunks[i]
		switch {
		case c.Err != nil:
		case first == nil:
			first = c
		case c.Store != first.Store:
			return fmt.Errorf("%s and %s belong to different journals: move one of them away",
				filepath.Base(first.Name), filepath.Base(c.Name))
		}
	}
	return nil
}

// fixEnds tells each chunk what the headers behind it say about it.
func fixEnds(chunks []Listed) {
	var next *Listed // the next chunk with a usable header
	for i := len(chunks) - 1; i >= 0; i-- {
		c := &chunks[i]
		if c.Err != nil {
			continue
		}
		if next != nil {
			c.Until = next.First
		}
		switch {
		case next == nil:
		case next.Prev.Chunk == c.ID:
			c.End = next.Prev
		case next.First <= c.First:
			// Made, and given up before anything was written to it.
			c.End = End{Chunk: c.ID, Offset: DataStart, Sequence: c.First - 1}
		}
		next = c
	}
}
