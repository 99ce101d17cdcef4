package wal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"daybook.dev/internal/wal"
)

var header = wal.Header{
	Version: wal.Format,

	Store: [16]byte{1, 2, 3}, Epoch: 1, ID: 7, First: 41,
	Prev:    wal.End{Chunk: 6, Offset: 9000, Sequence: 40, Newest: 77},
	Created: time.Date(2026, 11, 21, 9, 0, 0, 5, time.UTC),
	Tally:   31,
	Salt:    [8]byte{9, 8, 7},
}

// write makes a chunk with a record for each payload and returns its name and
// the offset of each record and of the end.
func write(t testing.TB, dir string, h wal.Header, payloads ...string) (name string, offsets []int64) {
	t.Helper()
	c, err := wal.Create(wal.OS{}, dir, h)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range payloads {
		offsets = append(offsets, c.Size())
		r := wal.Record{Sequence: h.First + uint64(i), Kind: 1, Payload: []byte(p)}
		if err := c.Write(c.AppendRecord(nil, r, wal.Checksum(r.Payload))); err != nil {
			t.Fatal(err)
		}
	}
	offsets = append(offsets, c.Size())
	if err := errors.Join(c.Sync(), c.Close()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, wal.ChunkName(h.ID)), offsets
}

// payloads returns n payloads of different lengths.
func payloads(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("payload %d %s", i, bytes.Repeat([]byte{'x'}, i*7%50))
	}
	return all
}

// A result is what a scan has found.
type result struct {
	payloads  []string
	sequences []uint64
	damage    []wal.Damage
	end       wal.End
	torn      bool
}

func scan(t testing.TB, file io.ReaderAt, c wal.Listed) result {
	t.Helper()
	var got result
	s := wal.Scan(file, c)
	s.Damaged = func(d wal.Damage) { got.damage = append(got.damage, d) }
	for {
		r, ok := s.Next()
		if !ok {
			break
		}
		got.payloads = append(got.payloads, string(r.Payload))
		got.sequences = append(got.sequences, r.Sequence)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	got.end, got.torn = s.End(), s.Torn()
	return got
}

// one returns the only chunk of a directory and its bytes.
func one(t testing.TB, dir string) (wal.Listed, []byte) {
	t.Helper()
	chunks, err := wal.List(wal.OS{}, dir)
	if err != nil || len(chunks) != 1 {
		t.Fatalf("listed %v, %v", chunks, err)
	}
	content, err := os.ReadFile(chunks[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	return chunks[0], content
}

// sealed returns c with its end fixed at the last record, as a later header
// would.
func sealed(c wal.Listed, offsets []int64) wal.Listed {
	c.End = wal.End{Chunk: c.ID, Offset: offsets[len(offsets)-1], Sequence: c.First + uint64(len(offsets)) - 2}
	c.Until = c.End.Sequence + 1
	return c
}

func TestAChunkIsReadAsItWasWritten(t *testing.T) {
	dir, want := t.TempDir(), payloads(20)
	_, offsets := write(t, dir, header, want...)
	c, content := one(t, dir)
	if c.Header != header {
		t.Errorf("header is\n%+v\nwant\n%+v", c.Header, header)
	}
	got := scan(t, bytes.NewReader(content), c)
	if !slices.Equal(got.payloads, want) || got.torn || got.damage != nil {
		t.Errorf("got %+v", got)
	}
	if want := (wal.End{Chunk: 7, Offset: offsets[20], Sequence: 60}); got.end != want {
		t.Errorf("end is %+v, want %+v", got.end, want)
	}
}

// The bytes of a chunk are a promise: journals outlive the program. A change
// here needs a new format version.
func TestTheFormatDoesNotChange(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, header, "first", "the second")
	_, content := one(t, dir)
	if len(content) != wal.DataStart+40+48 {
		t.Fatalf("the chunk has %d bytes", len(content))
	}
	for _, at := range []int{0, 4096} {
		if got := hex.EncodeToString(content[at : at+128]); got != writtenHeader {
			t.Errorf("the header at %d is\n%s\nwant\n%s", at, got, writtenHeader)
		}
	}
	if got := hex.EncodeToString(content[wal.DataStart:]); got != writtenRecords {
		t.Errorf("the records are\n%s\nwant\n%s", got, writtenRecords)
	}
}

const (
	writtenHeader = "646179626f6f6b0a010000000000000001020300000000000000000000000000" +
		"0100000000000000070000000000000029000000000000000600000000000000" +
		"2823000000000000280000000000000005a0738cd103ea180908070000000000" +
		"00000000000000001f000000000000004d00000000000000000000005f593eb6"
	writtenRecords = "0b7bb82050a13e8a050000000100000007000000000000002900000000000000" +
		"66697273740000008a68c3bbf1ea86820a000000010000000700000000000000" +
		"2a00000000000000746865207365636f6e64000000000000"
)

func TestATailCutAnywhereCostsOnlyTheRecordsCut(t *testing.T) {
	dir, want := t.TempDir(), payloads(6)
	_, offsets := write(t, dir, header, want...)
	c, content := one(t, dir)
	for size := int64(wal.DataStart); size <= c.Size; size++ {
		for _, filled := range []bool{false, true} {
			cut := slices.Clone(content[:size])
			whole, _ := slices.BinarySearch(offsets, size+1)
			whole-- // records that end at or before size
			if filled {
				cut = append(cut, make([]byte, 4096)...) // room made before it was used
				if whole < len(want) && offsets[whole]+32+int64(len(want[whole])) <= size {
					whole++ // only padding was cut, and padding is zeros
				}
			}
			c := c
			c.Size = int64(len(cut))
			got := scan(t, bytes.NewReader(cut), c)
			if !slices.Equal(got.payloads, want[:whole]) || got.damage != nil || got.end.Offset != offsets[whole] {
				t.Fatalf("cut at %d, zeros behind: %v: got %+v", size, filled, got)
			}
			if rest := content[min(offsets[whole], size):size]; got.torn != (len(bytes.Trim(rest, "\x00")) > 0) {
				t.Fatalf("cut at %d: torn is %v with % x behind the end", size, got.torn, rest)
			}
		}
	}
}

func TestAFlippedBitAnywhereCostsOnlyItsRecordAndIsNamed(t *testing.T) {
	dir, want := t.TempDir(), payloads(6)
	_, offsets := write(t, dir, header, want...)
	active, content := one(t, dir)
	for name, c := range map[string]wal.Listed{"sealed": sealed(active, offsets), "active": active} {
		for at := int64(wal.DataStart); at < c.Size; at++ {
			damaged := slices.Clone(content)
			damaged[at] ^= 1 << (at % 8)
			hit, exact := slices.BinarySearch(offsets, at)
			if !exact {
				hit--
			}
			got := scan(t, bytes.NewReader(damaged), c)
			if slices.Equal(got.payloads, want) && got.damage == nil {
				if padding := at - offsets[hit] - 32 - int64(len(want[hit])); padding < 0 {
					t.Fatalf("%s: the bit at %d was not noticed", name, at)
				}
				continue
			}
			if !slices.Equal(got.payloads, slices.Delete(slices.Clone(want), hit, hit+1)) {
				t.Fatalf("%s, bit at %d: got %q", name, at, got.payloads)
			}
			if name == "active" && hit == len(want)-1 {
				if !got.torn || got.damage != nil {
					t.Fatalf("active, bit at %d: the last record is no torn tail: %+v", at, got)
				}
				continue
			}
			lost := wal.Damage{Offset: offsets[hit], First: 41 + uint64(hit), Last: 41 + uint64(hit)}
			if len(got.damage) != 1 || got.damage[0].Offset != lost.Offset || got.damage[0].First != lost.First || got.damage[0].Last != lost.Last {
				t.Fatalf("%s, bit at %d: named %+v, want %+v", name, at, got.damage, lost)
			}
		}
	}
}

func TestAHeaderSurvivesAFlippedBitAnywhere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, header, "x")
	_, content := one(t, dir)
	for at := range wal.DataStart {
		damaged := slices.Clone(content)
		damaged[at] ^= 1 << (at % 8)
		chunks, err := wal.List(oneFile{content: damaged}, "")
		if err != nil || chunks[0].Err != nil || chunks[0].Header != header {
			t.Fatalf("bit at %d: %+v, %v", at, chunks, err)
		}
	}
}

// The last four bytes of a header before its check are free: a later release may use them, and
// this one must not call that damage.
func TestWhatALaterReleaseAddsToTheHeaderIsNoFlaw(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, header, "x")
	_, content := one(t, dir)
	for _, at := range []int{0, 4096} {
		h := content[at : at+128]
		copy(h[120:], "new")
		binary.LittleEndian.PutUint32(h[124:], wal.Checksum(h[:124]))
	}
	chunks, err := wal.List(oneFile{content: content}, "")
	if err != nil || chunks[0].Header != header || chunks[0].Flaws != nil {
		t.Fatalf("got %+v, %v", chunks, err)
	}
	content[4096+120]++
	if chunks, err = wal.List(oneFile{content: content}, ""); err != nil || len(chunks[0].Flaws) != 1 || chunks[0].Flaws[0].Offset != 4096+120 {
		t.Errorf("with one copy damaged: %+v, %v", chunks, err)
	}
}

func TestNothingBehindAFixedEndIsRead(t *testing.T) {
	dir, want := t.TempDir(), payloads(6)
	_, offsets := write(t, dir, header, want...)
	c, content := one(t, dir)
	c = sealed(c, offsets[:4])
	for _, until := range []uint64{c.Until, 0} { // whether or not the next chunk's sequence is known
		c.Until = until
		if got := scan(t, bytes.NewReader(content), c); !slices.Equal(got.payloads, want[:3]) || got.damage != nil || got.torn {
			t.Errorf("got %+v", got)
		}
	}
}

func TestASealedChunkThatLostItsEndIsDamaged(t *testing.T) {
	dir, want := t.TempDir(), payloads(6)
	_, offsets := write(t, dir, header, want...)
	c, content := one(t, dir)
	c = sealed(c, offsets)
	c.Size = offsets[4]
	got := scan(t, bytes.NewReader(content[:c.Size]), c)
	if len(got.damage) != 1 || got.damage[0].First != 45 || got.damage[0].Last != 46 || got.damage[0].Records() != 2 {
		t.Errorf("got %+v", got.damage)
	}
}

func TestBytesOfAnotherLifeAreNoRecords(t *testing.T) {
	other := header
	other.Salt[0]++ // the same chunk in every way but for its salt
	_, offsets := write(t, t.TempDir(), header, payloads(3)...)
	dir := t.TempDir()
	write(t, dir, other, payloads(6)...)
	_, old := one(t, dir)
	dir = t.TempDir()
	write(t, dir, header, payloads(3)...)
	c, content := one(t, dir)

	t.Run("behind the end", func(t *testing.T) {
		mixed := append(slices.Clone(content), old[len(content):]...)
		c.Size = int64(len(mixed))
		if got := scan(t, bytes.NewReader(mixed), c); len(got.payloads) != 3 || got.damage != nil {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("within an event whose frame is damaged", func(t *testing.T) {
		forged := string(old[offsets[1]:offsets[2]]) // whole, but for the salt
		dir := t.TempDir()
		_, at := write(t, dir, header, "first", forged+forged, "last")
		c, content := one(t, dir)
		content[at[1]]++
		got := scan(t, bytes.NewReader(content), c)
		if !slices.Equal(got.payloads, []string{"first", "last"}) || len(got.damage) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestScanningContinuesWhereItStopped(t *testing.T) {
	dir, want := t.TempDir(), payloads(6)
	_, offsets := write(t, dir, header, want...)
	c, content := one(t, dir)
	s := wal.Scan(bytes.NewReader(content), c)
	s.StartAt(offsets[4], 45)
	if r, ok := s.Next(); !ok || r.Sequence != 45 || string(r.Payload) != want[4] || r.Offset != offsets[4] {
		t.Errorf("got %+v, %v", r, ok)
	}
}

func TestLargeRecordsCrossBlocks(t *testing.T) {
	dir := t.TempDir()
	want := []string{"small", string(bytes.Repeat([]byte("large"), 300<<10/5)), "small", string(bytes.Repeat([]byte("huge!"), 1<<20/5)), "end"}
	write(t, dir, header, want...)
	c, content := one(t, dir)
	if got := scan(t, bytes.NewReader(content), c); !slices.Equal(got.payloads, want) || got.damage != nil {
		t.Errorf("got %d records, %+v", len(got.payloads), got.damage)
	}
}
