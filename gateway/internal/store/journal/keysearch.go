package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sort"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// find looks for key: in the filter, then in the file.
func (f *keyFile) find(key store.Key) (entry, bool, error) {
	var s searcher
	defer s.close()
	return s.find(f, key)
}

// A searcher looks for keys in files, each of which is opened for what passes its
// filter, so that a long window costs memory only and no descriptors. The file
// searched last stays open until close: copies come together, as they were sent
// together, and opening a file takes longer than finding a key in it.
type searcher struct {
	of   *keyFile // the one that is open; nil = none
	file wal.File
	page []byte
}

func (s *searcher) find(f *keyFile, key store.Key) (entry, bool, error) {
	if f.count == 0 || !f.filter.has(key) {
		return entry{}, false, nil
	}
	if s.of != f {
		s.close()
		file, err := f.fs.Open(f.name)
		if err != nil {
			return entry{}, false, err
		}
		s.of, s.file = f, file
	}
	if s.page == nil {
		s.page = make([]byte, pageEntries*entrySize)
	}
	return f.search(s.file, key, s.page)
}

// close lets go of the file. The searcher can be used again.
func (s *searcher) close() {
	if s.of != nil {
		_ = s.file.Close()
		s.of, s.file = nil, nil
	}
}

// search finds key by interpolation: keys are hashes and so spread evenly, the
// first page read is most often the right one, and else one beside it is. Each
// step leaves out a page, so the search ends whatever the file contains. Page has
// room for one.
func (f *keyFile) search(file io.ReaderAt, key store.Key, page []byte) (entry, bool, error) {
	guess := f.guess(key)
	for low, high := 0, f.count; low < high; {
		from := min(max(low, guess-pageEntries/2), max(low, high-pageEntries))
		n := min(pageEntries, high-from)
		b := page[:n*entrySize]
		if _, err := file.ReadAt(b, keysHeader+int64(from)*entrySize); err != nil {
			return entry{}, false, fmt.Errorf("read %d keys at %d: %w", n, from, err)
		}
		at := searchPage(b, key)
		if at < n && entryAt(b, at).key == key {
			return entryAt(b, at), true, nil
		}
		switch at {
		case 0:
			high, guess = from, from-pageEntries/2
		case n:
			low, guess = from+n, from+n+pageEntries/2
		default:
			return entry{}, false, nil
		}
	}
	return entry{}, false, nil
}

// guess is where key stands when keys are spread evenly.
func (f *keyFile) guess(key store.Key) int {
	n, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(f.count))
	return int(n)
}

// searchPage returns the number of the first entry whose key is not below key.
func searchPage(page []byte, key store.Key) int {
	return sort.Search(len(page)/entrySize, func(i int) bool {
		at := i * entrySize
		return bytes.Compare(page[at:at+16], key[:]) >= 0
	})
}

func entryAt(page []byte, i int) entry {
	b := page[i*entrySize : (i+1)*entrySize]
	return entry{
		key:      store.Key(b[:16]),
		digest:   [8]byte(b[16:24]),
		sequence: binary.LittleEndian.Uint64(b[24:]),
	}
}
