package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

const (
	keysSuffix  = ".keys"
	keysMagic   = "daykeys\n"
	keysVersion = 1
	keysHeader  = 80
	entrySize   = 32

	// pageEntries is how many entries a search reads at once: 16 KiB, within
	// which three of four guesses lie in a file of 300,000 keys.
	pageEntries = 512
)

// errKeyFile means that a key file is not what it was when it was written.
var errKeyFile = errors.New("damaged key file")

// keyFiles reads and writes the key files of one journal.
type keyFiles struct {
	fs    wal.FS
	dir   string
	store [16]byte

	// shelve, unless nil, gives another filter for the keys of a file being
	// opened to enter.
	shelve func(*keyFile) filter
}

// A keyFile is the sorted keys of one sealed chunk, on disk, and a filter for
// them in memory.
type keyFile struct {
	fs     wal.FS
	name   string
	chunk  uint64
	count  int
	check  uint32 // of the entries, as the header of a file that was there says
	filter filter
	span

	// failing is set by the writer when the file could not be read, and cleared
	// by the keeper when it can be. Meanwhile it is not asked.
	failing atomic.Bool
}

func (f *keyFile) keys() int { return f.count }

func keysName(chunk uint64) string { return fmt.Sprintf("%016x%s", chunk, keysSuffix) }

func (k keyFiles) name(chunk uint64) string { return filepath.Join(k.dir, keysName(chunk)) }

// write makes the key file of a chunk.
func (k keyFiles) write(chunk uint64, s *keyset) (*keyFile, error) {
	content, f := k.encode(chunk, s)
	file, err := wal.CreateFile(k.fs, k.name(chunk), content)
	if err != nil {
		return nil, err
	}
	return f, file.Close()
}

// encode returns the content of the key file for s.
func (k keyFiles) encode(chunk uint64, s *keyset) ([]byte, *keyFile) {
	order := s.sorted()
	f := &keyFile{
		fs: k.fs, name: k.name(chunk), chunk: chunk, count: len(order),
		filter: newFilter(len(order)), span: s.span,
	}
	b := make([]byte, keysHeader, keysHeader+entrySize*len(order))
	for _, i := range order {
		e := &s.entries[i]
		b = append(b, e.key[:]...)
		b = append(b, e.digest[:]...)
		b = binary.LittleEndian.AppendUint64(b, e.sequence)
		f.filter.add(e.key)
	}
	k.putHeader(b, f)
	return b, f
}

func (k keyFiles) putHeader(b []byte, f *keyFile) {
	copy(b, keysMagic)
	binary.LittleEndian.PutUint32(b[8:], keysVersion)
	copy(b[16:], k.store[:])
	binary.LittleEndian.PutUint64(b[32:], f.chunk)
	binary.LittleEndian.PutUint64(b[40:], uint64(f.count))
	binary.LittleEndian.PutUint64(b[48:], uint64(f.oldest))
	binary.LittleEndian.PutUint64(b[56:], uint64(f.newest))
	binary.LittleEndian.PutUint32(b[64:], wal.Checksum(b[keysHeader:]))
	binary.LittleEndian.PutUint32(b[76:], wal.Checksum(b[:76]))
}

// open reads the key file of a chunk, checks it and builds the filter.
func (k keyFiles) open(chunk uint64) (*keyFile, error) { return k.read(chunk, k.parse) }

// head reads only the header of the key file of a chunk.
func (k keyFiles) head(chunk uint64) (*keyFile, error) { return k.read(chunk, k.parseHeader) }

func (k keyFiles) read(chunk uint64, parse func(file io.ReaderAt, size int64, chunk uint64) (*keyFile, error)) (*keyFile, error) {
	file, err := k.fs.Open(k.name(chunk))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	return parse(file, size, chunk)
}

func (k keyFiles) parse(file io.ReaderAt, size int64, chunk uint64) (*keyFile, error) {
	f, err := k.parseHeader(file, size, chunk)
	if err != nil {
		return nil, err
	}
	f.filter = newFilter(f.count)
	filters := []filter{f.filter}
	if k.shelve != nil {
		filters = append(filters, k.shelve(f))
	}
	return f, f.load(io.NewSectionReader(file, keysHeader, size-keysHeader), filters)
}

func (k keyFiles) parseHeader(file io.ReaderAt, size int64, chunk uint64) (*keyFile, error) {
	var b [keysHeader]byte
	if _, err := file.ReadAt(b[:], 0); err != nil {
		return nil, fmt.Errorf("%w: header: %w", errKeyFile, err)
	}
	f := &keyFile{
		fs: k.fs, name: k.name(chunk), chunk: binary.LittleEndian.Uint64(b[32:]),
		count: int(binary.LittleEndian.Uint64(b[40:])),
		check: binary.LittleEndian.Uint32(b[64:]),
		span: span{
			oldest: int64(binary.LittleEndian.Uint64(b[48:])),
			newest: int64(binary.LittleEndian.Uint64(b[56:])),
		},
	}
	switch {
	case string(b[:8]) != keysMagic, wal.Checksum(b[:76]) != binary.LittleEndian.Uint32(b[76:]):
		return nil, fmt.Errorf("%w: header: checksum mismatch", errKeyFile)
	case binary.LittleEndian.Uint32(b[8:]) != keysVersion:
		return nil, fmt.Errorf("%w: format %d", errKeyFile, binary.LittleEndian.Uint32(b[8:]))
	case [16]byte(b[16:32]) != k.store, f.chunk != chunk:
		return nil, fmt.Errorf("%w: it belongs to another chunk", errKeyFile)
	case size < keysHeader, uint64(f.count) != uint64(size-keysHeader)/entrySize, (size-keysHeader)%entrySize != 0:
		return nil, fmt.Errorf("%w: %d bytes for %d keys", errKeyFile, size, f.count)
	}
	return f, nil
}

// load checks the entries and enters their keys into the filters.
func (f *keyFile) load(r io.Reader, filters []filter) error {
	var last store.Key
	sum := wal.NewChecksum()
	err := eachPage(r, func(page []byte) error {
		_, _ = sum.Write(page)
		for ; len(page) > 0; page = page[entrySize:] {
			key := store.Key(page[:16])
			if bytes.Compare(key[:], last[:]) < 0 {
				return fmt.Errorf("%w: keys out of order", errKeyFile)
			}
			last = key
			for _, to := range filters {
				to.add(key)
			}
		}
		return nil
	})
	if err == nil && sum.Sum32() != f.check {
		err = fmt.Errorf("%w: entries: checksum mismatch", errKeyFile)
	}
	return err
}

// eachPage calls use with whole entries, some thousand at a time.
func eachPage(r io.Reader, use func(page []byte) error) error {
	page := make([]byte, 4096*entrySize)
	for {
		n, err := io.ReadFull(r, page)
		if err == io.EOF {
			return nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		if err := use(page[:n]); err != nil {
			return err
		}
	}
}
