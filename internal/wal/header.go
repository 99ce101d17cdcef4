package wal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Format is the newest version of the format, which this package reads with all
// before it. Which one a journal is written in is Header.Version.
const Format = 1

const (
	magic = "daybook\n"

	headerSize = 128
	copyOffset = 4096 // the second copy stands in another sector

	// DataStart is the offset of a chunk's first record.
	DataStart = 2 * copyOffset
)

// A Header is the beginning of a chunk.
type Header struct {
	Version uint32 // of the format; zero means Format

	Store   [16]byte // names the journal; the same in all its chunks
	Epoch   uint64   // grows when the journal is restored from a copy
	ID      uint64   // of this chunk: from 1, greater than all before, never used again
	First   uint64   // sequence of the first record this chunk can hold
	Prev    End      // what this chunk follows
	Created time.Time

	// Tally is how many of the records that are counted were stored before this
	// chunk, plus one; which are is the caller's. Zero: nobody counted.
	Tally uint64

	// Salt is random and enters the check of every record, so that bytes with
	// another origin never pass: a former life of the disk block, or a caller
	// who puts the exact bytes of a record into the text of an event.
	Salt [8]byte
}

// An End fixes where a chunk ends. Nothing behind Offset is ever read.
type End struct {
	Chunk    uint64 // zero: there is no such chunk
	Offset   int64  // behind its last synced record
	Sequence uint64 // of that record

	// Unsure is how many of the last records are not known to have been synced
	// before a crash: they were one write. What is missing between them was
	// never there, and nobody was told yes for it.
	Unsure uint64

	// Newest is the latest of the times that the chunk's records carry, in
	// nanoseconds since 1970; what it means is the caller's. Zero: not stated.
	Newest int64
}

// appendTo appends the encoded header and the zeros up to the first record.
func (h *Header) appendTo(dst []byte) []byte {
	var one [copyOffset]byte
	b := append(one[:0], magic...)
	b = binary.LittleEndian.AppendUint32(b, cmp.Or(h.Version, Format))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, h.Store[:]...)
	for _, v := range [...]uint64{
		h.Epoch, h.ID, h.First,
		h.Prev.Chunk, uint64(h.Prev.Offset), h.Prev.Sequence,
		uint64(h.Created.UnixNano()),
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(b, h.Salt[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.Prev.Unsure)
	b = binary.LittleEndian.AppendUint64(b, h.Tally)
	binary.LittleEndian.PutUint64(one[len(b):], uint64(h.Prev.Newest))
	binary.LittleEndian.PutUint32(one[headerSize-4:], Checksum(one[:headerSize-4]))
	dst = append(dst, one[:]...)
	return append(dst, one[:]...)
}

// parseHeader reads the first of the two copies in b that is whole. b is what
// could be read of the first DataStart bytes.
func parseHeader(b []byte) (Header, error) {
	h, err := parseHeaderCopy(b)
	if err == nil || errors.Is(err, ErrVersion) || len(b) < copyOffset {
		return h, err
	}
	second, err2 := parseHeaderCopy(b[copyOffset:])
	if err2 != nil {
		return h, err
	}
	return second, nil
}

func parseHeaderCopy(b []byte) (Header, error) {
	if len(b) < headerSize {
		return Header{}, fmt.Errorf("header: %d bytes, want %d", len(b), headerSize)
	}
	b = b[:headerSize]
	// The check comes first: damage must not pass for a newer version.
	if binary.LittleEndian.Uint32(b[headerSize-4:]) != Checksum(b[:headerSize-4]) || string(b[:8]) != magic {
		return Header{}, fmt.Errorf("header: %w", errDamaged)
	}
	version := binary.LittleEndian.Uint32(b[8:])
	if version > Format {
		return Header{}, fmt.Errorf("header: format %d, this program reads up to %d: %w", version, Format, ErrVersion)
	}
	number := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	h := Header{
		Version: version,

		Store: [16]byte(b[16:32]),
		Epoch: number(32),
		ID:    number(40),
		First: number(48),
		Prev: End{
			Chunk: number(56), Offset: int64(number(64)), Sequence: number(72),
			Unsure: number(96), Newest: int64(number(112)),
		},

		Created: time.Unix(0, int64(number(80))).UTC(),
		Tally:   number(104),
		Salt:    [8]byte(b[88:96]),
	}
	if h.Version == 0 || h.ID == 0 || h.First == 0 || h.Prev.Offset < 0 {
		return Header{}, fmt.Errorf("header: %w", errDamaged)
	}
	return h, nil
}

// seed is where the check of every frame of this chunk starts.
func (h *Header) seed() uint32 { return crc32.Checksum(h.Salt[:], castagnoli) }
