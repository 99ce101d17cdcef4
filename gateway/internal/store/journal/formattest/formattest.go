// Package formattest is a second reader of the journal's files, written from
// docs/journal-format.md and nothing else: it shares no code with the journal.
// Its tests have it read what the journal wrote, whole and damaged. Where the two
// disagree, the document, the journal or this reader is wrong.
//
// It is written to be compared with the document, not to be fast: a chunk is
// read into memory.
package formattest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// A Book is what a data directory holds.
type Book struct {
	Records []Record
	Lost    []Lost     // records that are damaged, one entry for each stretch
	Gaps    [][2]int64 // first and last sequence that a header says are missing
	Headers []string   // chunks whose header is lost
	Torn    bool       // the last write is not whole

	Events int64    // stored in all, the lost ones included; -1 = not stated
	Wrong  []string // what a header says of the chunk before that cannot be so
}

// A Record is one record.
type Record struct {
	File     string
	Sequence int64
	Kind     byte
	Payload  []byte
}

// A Lost is a stretch of lost records.
type Lost struct {
	File        string
	Offset      int64
	First, Last int64
}

const (
	headerBytes = 8192
	copyAt      = 4096
	frameBytes  = 32
	maxPayload  = 64 << 20
	kindEvent   = 1
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	chunkName  = regexp.MustCompile(`^[0-9a-f]{16}\.chunk$`)
)

// A chunk is a chunk file with what its header, and that of the next readable
// chunk, say.
type chunk struct {
	name string
	data []byte

	lost                             bool // the header cannot be used
	store                            string
	id, first                        int64
	prev, prevEnd, prevLast, prevUns int64
	before, prevNewest               int64 // events before this chunk, -1 = not stated; when the predecessor's newest record was received
	salt                             []byte

	next           *chunk // the next one whose header can be read
	events, others int64  // its whole records, once it was read: those of kind event, and the rest
	newest         int64  // the latest time at which one of them was received; 0 where all are before 1970
}

// Read reads the journal in a data directory.
func Read(data string) (*Book, error) {
	chunks, err := readChunks(filepath.Join(data, "journal"))
	if err != nil {
		return nil, err
	}
	b := &Book{}
	var before *chunk
	expect, headers := int64(0), 0
	for i := range chunks {
		c := &chunks[i]
		if c.lost {
			b.Headers = append(b.Headers, c.name)
			headers++
			continue
		}
		if before != nil && c.first > expect {
			if headers == 0 && c.prev == before.id && c.prevLast+1 == expect {
				b.Gaps = append(b.Gaps, [2]int64{expect, c.first - 1})
			} else {
				b.Lost = append(b.Lost, Lost{c.name, 0, expect, c.first - 1})
			}
		}
		b.compare(before, c)
		expect = b.readChunk(c)
		before, headers = c, 0
	}
	return b, nil
}

func readChunks(dir string) ([]chunk, error) {
	files, err := os.ReadDir(dir) // sorted by name, and so by id
	if err != nil {
		return nil, err
	}
	var chunks []chunk
	store := ""
	for _, f := range files {
		if !chunkName.MatchString(f.Name()) || f.Name() == "0000000000000000.chunk" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		c, err := header(f.Name(), data)
		if err != nil {
			return nil, err
		}
		if !c.lost && store != "" && c.store != store {
			return nil, errors.New("two journals in one directory")
		}
		if !c.lost {
			store = c.store
		}
		chunks = append(chunks, c)
	}
	var next *chunk
	for i := len(chunks) - 1; i >= 0; i-- {
		chunks[i].next = next
		if !chunks[i].lost {
			next = &chunks[i]
		}
	}
	return chunks, nil
}

// compare compares what the header of c says with what was read of the chunk
// before it.
func (b *Book) compare(before, c *chunk) {
	b.Events = c.before
	if before == nil {
		return
	}
	// All sequences in between may be events, but for the whole records that are
	// none; and those that are must be among them.
	least, most := before.before+before.events, before.before+c.first-before.first-before.others
	if before.before >= 0 && c.before >= 0 && (c.before < least || c.before > most) {
		b.Wrong = append(b.Wrong, fmt.Sprintf("%s: %d events before it, by %s at least %d and at most %d",
			c.name, c.before, before.name, least, most))
	}
	whole := !slices.ContainsFunc(b.Lost, func(l Lost) bool { return l.File == before.name })
	if c.prev == before.id && (c.prevNewest < before.newest || whole && c.prevNewest > before.newest) {
		b.Wrong = append(b.Wrong, fmt.Sprintf("%s: the newest record before it was received at %d, in %s it is %d",
			c.name, c.prevNewest, before.name, before.newest))
	}
}

// header reads the first copy of the header whose check is right.
func header(name string, data []byte) (chunk, error) {
	c := chunk{name: name, data: data, lost: true}
	for _, at := range []int{0, copyAt} {
		if len(data) < at+128 {
			continue
		}
		h := data[at : at+128]
		if string(h[:8]) != "daybook\n" || crc32.Checksum(h[:124], castagnoli) != u32(h, 124) {
			continue
		}
		if v := u32(h, 8); v > 1 {
			return c, fmt.Errorf("%s: format %d", name, v)
		}
		c.store = string(h[16:32])
		c.id, c.first = i64(h, 40), i64(h, 48)
		c.prev, c.prevEnd, c.prevLast, c.prevUns = i64(h, 56), i64(h, 64), i64(h, 72), i64(h, 96)
		c.before, c.prevNewest = i64(h, 104)-1, i64(h, 112)
		c.salt = h[88:96]
		named, err := strconv.ParseInt(name[:16], 16, 64)
		c.lost = err != nil || c.id != named || c.first == 0
		return c, nil
	}
	return c, nil
}

func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func i64(b []byte, at int) int64  { return int64(binary.LittleEndian.Uint64(b[at:])) }
