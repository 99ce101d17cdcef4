package journal

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// keysOf returns a keyset of n keys that spread evenly, or that all begin alike.
func keysOf(n int, alike bool) *keyset {
	s := &keyset{}
	for i := range n {
		key := store.KeyOf("caller", string(binary.BigEndian.AppendUint32(nil, uint32(i))))
		if alike {
			copy(key[:], "the same")
		}
		s.claim(entry{key: key, digest: [8]byte{byte(i)}, sequence: uint64(i + 1)}, int64(1000+i))
	}
	return s
}

func TestAKeyFileFindsEveryKeyAndNoOther(t *testing.T) {
	for _, n := range []int{0, 1, 2, pageEntries - 1, pageEntries, pageEntries + 1, 20_000} {
		for _, alike := range []bool{false, true} {
			s := keysOf(n, alike)
			files := keyFiles{fs: wal.OS{}, dir: t.TempDir()}
			file, err := files.write(3, s)
			if err != nil {
				t.Fatal(err)
			}
			reopened, err := files.open(3)
			if err != nil || reopened.count != n || reopened.span != s.span {
				t.Fatalf("%d keys: reopened as %+v, %v", n, reopened, err)
			}
			for i := 0; i < n; i += 1 + n/1000 {
				for _, f := range []*keyFile{file, reopened} {
					if got, ok, err := f.find(s.entries[i].key); !ok || err != nil || got != s.entries[i] {
						t.Fatalf("%d keys: key %d is %+v, %v, %v", n, i, got, ok, err)
					}
				}
			}
			passed := 0
			for i := range 2000 {
				key := store.KeyOf("another caller", string(binary.BigEndian.AppendUint32(nil, uint32(i))))
				if _, ok, err := file.find(key); ok || err != nil {
					t.Fatalf("%d keys: found one that is not there, %v", n, err)
				}
				if file.filter.has(key) {
					passed++
				}
			}
			if !alike && passed > 20 {
				t.Errorf("%d keys: %d of 2000 others pass the filter", n, passed)
			}
		}
	}
}

func TestAKeysetGoesBackToAMark(t *testing.T) {
	s := keysOf(3000, false)
	entries, span := slices.Clone(s.entries), s.span
	to := s.mark()
	for i := range 3000 {
		s.claim(entry{key: store.KeyOf("x", string(binary.BigEndian.AppendUint32(nil, uint32(i))))}, 1)
	}
	s.back(to)
	if !slices.Equal(s.entries, entries) || s.span != span {
		t.Error("it is not as it was")
	}
	for _, e := range entries {
		if got, ok, _ := s.find(e.key); !ok || got != e {
			t.Fatalf("%x is %+v, %v", e.key, got, ok)
		}
	}
	if _, ok, _ := s.find(store.KeyOf("x", "\x00\x00\x00\x01")); ok {
		t.Error("a forgotten key is found")
	}
}

// FuzzKeyFile reads any bytes as a key file, which is either refused or can be
// searched, with memory bounded by its size.
func FuzzKeyFile(f *testing.F) {
	files := keyFiles{dir: "."}
	for _, n := range []int{0, 1, 3} {
		content, _ := files.encode(3, keysOf(n, false))
		f.Add(content)
		f.Add(content[:len(content)-1])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		// Right checksums let the fuzzer behind them.
		if len(content) >= keysHeader {
			binary.LittleEndian.PutUint32(content[64:], wal.Checksum(content[keysHeader:]))
			binary.LittleEndian.PutUint32(content[76:], wal.Checksum(content[:76]))
		}
		file, err := files.parse(bytes.NewReader(content), int64(len(content)), 3)
		if err != nil {
			return
		}
		if file.count*entrySize > len(content) || len(file.filter) > 1+file.count/keysPerBlock {
			t.Fatalf("%d keys and %d blocks in %d bytes", file.count, len(file.filter), len(content))
		}
		page := make([]byte, pageEntries*entrySize)
		for i := range file.count {
			key := entryAt(content[keysHeader:], i).key
			if _, ok, err := file.search(bytes.NewReader(content), key, page); !ok || err != nil {
				t.Fatalf("key %d is not found: %v", i, err)
			}
		}
	})
}
