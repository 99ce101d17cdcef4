package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sort"

	"daybook.dev/gateway/internal/store"
)

// find looks for key: in the filter, then in the file. The file is opened for
// each search that passes the filter, so that a long window costs memory only
// and no descriptors.
func (f *keyFile) find(key store.Key) (entry, bool, error) {
	if f.count == 0 || !f.filter.has(key) {
		return entry{}, false, nil
	}
	file, err := f.fs.Open(f.name)
	if err != nil {
		return entry{}, false, err
	}
	defer func() { _ = file.Close() }()
	return f.search(file, key)
}

// search finds key by interpolation: keys are hashes and so spread evenly, the
// first page read is most often the right one, and else one beside it is. Each
// step leaves out a page, so the search ends whatever the file contains.
func (f *keyFile) search(file io.ReaderAt, key store.Key) (entry, bool, error) {
	page := make([]byte, pageEntries*entrySize)
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
