package wal_test

import (
	"bytes"
	"testing"

	"daybook.dev/internal/wal"
)

// oneFile is a directory in memory with one chunk in it.
type oneFile struct {
	wal.FS
	wal.File
	content []byte
}

func (f oneFile) Names(string) ([]string, error) { return []string{wal.ChunkName(header.ID)}, nil }
func (f oneFile) Open(string) (wal.File, error)  { return f, nil }
func (f oneFile) Size() (int64, error)           { return int64(len(f.content)), nil }
func (f oneFile) Close() error                   { return nil }
func (f oneFile) ReadAt(b []byte, offset int64) (int, error) {
	return bytes.NewReader(f.content).ReadAt(b, offset)
}

// FuzzScan reads any bytes as a chunk file. Whatever they are, the scan ends,
// sequences rise, and no more is lost or held than the file has room for.
func FuzzScan(f *testing.F) {
	dir := f.TempDir()
	_, offsets := write(f, dir, header, payloads(4)...)
	_, content := one(f, dir)
	f.Add(content, uint64(0))
	f.Add(content, uint64(offsets[3]))
	f.Add(content[:len(content)-9], uint64(0))
	f.Add(append(bytes.Clone(content), make([]byte, 100)...), uint64(len(content)+100))
	f.Add([]byte{}, uint64(0))

	f.Fuzz(func(t *testing.T, content []byte, end uint64) {
		chunks, err := wal.List(oneFile{content: content}, "")
		if err != nil {
			return // a newer format
		}
		c := chunks[0]
		if end > 0 {
			c.End = wal.End{Chunk: c.ID, Offset: int64(end >> 1), Sequence: c.First + end%100}
		}
		s := wal.Scan(bytes.NewReader(content), c)
		s.Damaged = func(d wal.Damage) {
			if d.Last < d.First || d.Offset > max(wal.DataStart, int64(len(content))) {
				t.Errorf("damage %+v", d)
			}
		}
		last := uint64(0)
		for {
			r, ok := s.Next()
			if !ok {
				break
			}
			if r.Sequence <= last || len(r.Payload) > len(content) || r.Kind == 0 {
				t.Fatalf("record %+v follows %d", r, last)
			}
			last = r.Sequence
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	})
}
