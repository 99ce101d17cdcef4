package wal_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev/internal/wal"
)

// chain returns the header of a chunk that follows another one.
func chain(id, first uint64, prev wal.End) wal.Header {
	h := header
	h.ID, h.First, h.Prev = id, first, prev
	return h
}

func list(t *testing.T, dir string) []wal.Listed {
	t.Helper()
	chunks, err := wal.List(wal.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return chunks
}

func TestTheNextHeaderFixesTheEnd(t *testing.T) {
	dir := t.TempDir()
	_, offsets := write(t, dir, chain(1, 1, wal.End{}), payloads(4)...)
	end := wal.End{Chunk: 1, Offset: offsets[2], Sequence: 2}
	write(t, dir, chain(2, 3, end), payloads(2)...)
	chunks := list(t, dir)
	if len(chunks) != 2 || chunks[0].End != end || chunks[0].Until != 3 || chunks[1].Until != 0 || chunks[1].End.Chunk != 0 {
		t.Errorf("got %+v", chunks)
	}
}

func TestAnAbandonedChunkIsEmpty(t *testing.T) {
	dir := t.TempDir()
	_, offsets := write(t, dir, chain(1, 1, wal.End{}), payloads(2)...)
	end := wal.End{Chunk: 1, Offset: offsets[2], Sequence: 2}
	write(t, dir, chain(2, 3, end), "never answered")
	write(t, dir, chain(3, 3, end), payloads(1)...)
	chunks := list(t, dir)
	if chunks[0].End != end || chunks[1].End != (wal.End{Chunk: 2, Offset: wal.DataStart, Sequence: 2}) {
		t.Errorf("ends are %+v and %+v", chunks[0].End, chunks[1].End)
	}
}

func TestAChunkBeforeADamagedHeaderIsReadToItsLastRecord(t *testing.T) {
	dir := t.TempDir()
	_, offsets := write(t, dir, chain(1, 1, wal.End{}), payloads(2)...)
	name, more := write(t, dir, chain(2, 3, wal.End{Chunk: 1, Offset: offsets[2], Sequence: 2}), payloads(2)...)
	write(t, dir, chain(3, 5, wal.End{Chunk: 2, Offset: more[2], Sequence: 4}), payloads(1)...)
	for _, at := range []int64{20, 4096 + 20} {
		flip(t, name, at)
	}
	chunks := list(t, dir)
	if chunks[1].Err == nil {
		t.Fatal("a header with two damaged copies was accepted")
	}
	if chunks[0].End.Chunk != 0 || chunks[0].Until != 5 {
		t.Fatalf("got %+v", chunks[0])
	}
	content, err := os.ReadFile(chunks[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	if got := scan(t, strings.NewReader(string(content)), chunks[0]); len(got.payloads) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestChunksOfTwoJournalsAreRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, chain(1, 1, wal.End{}))
	other := chain(2, 1, wal.End{})
	other.Store[0]++
	write(t, dir, other)
	if _, err := wal.List(wal.OS{}, dir); err == nil || !strings.Contains(err.Error(), "different journals") {
		t.Errorf("got %v", err)
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	name, _ := write(t, dir, header)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(content[8:], 2)
	binary.LittleEndian.PutUint32(content[124:], wal.Checksum(content[:124]))
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.List(wal.OS{}, dir); !errors.Is(err, wal.ErrVersion) {
		t.Errorf("got %v", err)
	}
}

func TestFilesThatAreNoChunksAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.chunk", "0000000000000001.chunk.tmp", "000000000000000A.chunk", "0000000000000000.chunk", "1.chunk"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if chunks := list(t, dir); len(chunks) != 0 {
		t.Errorf("got %+v", chunks)
	}
}

func TestAFileUnderAnotherChunksNameIsDamage(t *testing.T) {
	dir := t.TempDir()
	name, _ := write(t, dir, header)
	if err := os.Rename(name, filepath.Join(dir, wal.ChunkName(9))); err != nil {
		t.Fatal(err)
	}
	if chunks := list(t, dir); chunks[0].Err == nil || chunks[0].ID != 9 {
		t.Errorf("got %+v", chunks)
	}
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
