package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

// A rotting is a journal that was stopped, whose files are damaged one way
// after the other.
type rotting struct {
	t     *testing.T
	dir   string
	whole map[string][]byte // content by name, as it was written
	book  []placed          // oldest first
	last  string            // the chunk no header ends
}

// A placed is an event and where it is.
type placed struct {
	id         string
	sequence   uint64
	file       string
	begin, end int64 // with padding
}

func newRotting(t *testing.T) *rotting {
	r := &rotting{t: t, dir: t.TempDir(), whole: map[string][]byte{}}
	j, err := journal.Open(t.Context(), journal.Options{Dir: r.dir, ChunkBytes: wal.DataStart + 1500, Now: justAfter})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		records := []store.Record{event(fmt.Sprintf("a-%d", 2*i), "first", 50*(i%3)), event(fmt.Sprintf("a-%d", 2*i+1), "first", 7*i)}
		if _, err := j.Append(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
	for _, name := range files(t, r.dir, "") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r.whole[filepath.Base(name)] = content
	}
	r.locate()
	return r
}

// locate finds out where each event is.
func (r *rotting) locate() {
	chunks, err := wal.List(wal.OS{}, filepath.Join(r.dir, "journal"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range chunks {
		r.last = filepath.Base(c.Name)
		scan := wal.Scan(bytes.NewReader(r.whole[r.last]), c)
		for {
			record, ok := scan.Next()
			if !ok {
				break
			}
			e, err := store.ParseRecord(store.Kind(record.Kind), record.Payload)
			if err != nil {
				r.t.Fatal(err)
			}
			r.book = append(r.book, placed{
				id: e.Event.ID, sequence: record.Sequence, file: r.last,
				begin: record.Offset, end: record.Offset + int64(wal.RecordSize(len(record.Payload))),
			})
		}
	}
}

// A wound is one stretch of one file that is damaged, or cut off.
type wound struct {
	file     string
	from, to int64
	content  []byte // of the file, with the wound
}

// plant damages a file and requires that what Verify and a start name is
// exactly that.
func (r *rotting) plant(w wound) {
	r.t.Helper()
	if bytes.Equal(w.content, r.whole[w.file]) {
		return
	}
	name := filepath.Join(r.dir, "journal", w.file)
	r.write(name, w.content)
	defer r.write(name, r.whole[w.file])
	lost := r.lost(w)
	r.verify(w, lost)
	if left := dump(r.t, r.dir); !slices.Equal(left, r.left(lost)) {
		r.t.Errorf("%v: dumped %v, want %v", w, left, r.left(lost))
	}
	if r.t.Failed() {
		r.t.FailNow()
	}
}

func (w wound) String() string {
	return fmt.Sprintf("%s from %d to %d of %d bytes", w.file, w.from, w.to, len(w.content))
}

func (r *rotting) write(name string, content []byte) {
	r.t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// lost returns the events that w takes away: those with a byte in it, padding
// apart, or all of the chunk where no copy of the header is left.
func (r *rotting) lost(w wound) (lost []placed) {
	if strings.HasSuffix(w.file, ".keys") {
		return nil
	}
	headless := !bytes.Equal(part(w.content, 0, 128), r.whole[w.file][:128]) &&
		!bytes.Equal(part(w.content, 4096, 128), r.whole[w.file][4096:4224])
	for _, p := range r.book {
		whole := strings.TrimRight(string(r.whole[w.file][min(p.begin, int64(len(r.whole[w.file]))):min(p.end, int64(len(r.whole[w.file])))]), "\x00")
		if p.file == w.file && (headless || !strings.HasPrefix(string(part(w.content, p.begin, p.end-p.begin)), whole) || int64(len(w.content)) < p.end) {
			lost = append(lost, p)
		}
	}
	return lost
}

// part returns what there is of n bytes at offset.
func part(b []byte, offset, n int64) []byte {
	return b[min(offset, int64(len(b))):min(offset+n, int64(len(b)))]
}

// left returns the ids of all events but the lost ones.
func (r *rotting) left(lost []placed) (ids []string) {
	for _, p := range r.book {
		if !slices.Contains(lost, p) {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// verify requires that Verify names w: its file, an offset in or right before
// it, each record lost once, and no other place.
func (r *rotting) verify(w wound, lost []placed) {
	r.t.Helper()
	var found []journal.Damage
	report, err := journal.Verify(r.dir, func(d journal.Damage) { found = append(found, d) })
	if err != nil {
		r.t.Fatalf("%v: %v", w, err)
	}
	if len(found) == 0 && report.Unfinished == 0 && !r.silent(w, lost) {
		r.t.Errorf("%v: not named", w)
	}
	named := map[string]bool{}
	for _, d := range found {
		place := fmt.Sprintf("%s %d %d", d.File, d.Offset, d.Sequence)
		if named[place] {
			r.t.Errorf("%v: named twice: %v", w, d)
		}
		named[place] = true
		r.requireIn(w, lost, d)
	}
	unfinished := w.file == r.last && report.Unfinished+int64(len(r.whole[w.file])-len(w.content)) > 0
	if int(report.Damaged) != len(lost) && !unfinished && !r.headless(found) {
		r.t.Errorf("%v: %d records are said to be lost, %d are: %v", w, report.Damaged, len(lost), found)
	}
}

// silent says that nothing can be named: the end of the last chunk is cut off
// between two records, and no header says that there was more.
func (r *rotting) silent(w wound, lost []placed) bool {
	if w.file != r.last || len(w.content) == len(r.whole[w.file]) {
		return false
	}
	return slices.ContainsFunc(lost, func(p placed) bool { return p.begin == int64(len(w.content)) })
}

func (r *rotting) headless(found []journal.Damage) bool {
	return slices.ContainsFunc(found, func(d journal.Damage) bool { return strings.Contains(d.What, "its records cannot be read") })
}

func (r *rotting) requireIn(w wound, lost []placed, d journal.Damage) {
	r.t.Helper()
	headless := r.headless([]journal.Damage{d})
	switch {
	case d.Sequence != 0:
		if !slices.ContainsFunc(lost, func(p placed) bool { return p.sequence == d.Sequence }) {
			r.t.Errorf("%v: %v is not lost", w, d)
		}
		// Behind a lost chunk, the next one is where the loss is met.
		if d.File != w.file && !strings.Contains(d.What, "before this chunk") {
			r.t.Errorf("%v: named in another file: %v", w, d)
		}
	case d.File != w.file:
		r.t.Errorf("%v: named in another file: %v", w, d)
	case !headless && !strings.HasSuffix(d.File, ".keys") && (d.Offset >= w.to || d.Offset < w.from-8):
		r.t.Errorf("%v: named at another place: %v", w, d)
	}
}

// eachFile calls plant for files of every kind: the first chunk, one in the
// middle, the last one, and a key file.
func (r *rotting) eachFile(wounds func(file string, whole []byte)) {
	var chunks, keys []string
	for name := range r.whole {
		if strings.HasSuffix(name, ".chunk") {
			chunks = append(chunks, name)
		} else {
			keys = append(keys, name)
		}
	}
	slices.Sort(chunks)
	slices.Sort(keys)
	for _, name := range []string{chunks[0], chunks[len(chunks)/2], chunks[len(chunks)-1], keys[1]} {
		wounds(name, r.whole[name])
	}
}

// step is how far apart the short form looks: everywhere but among the zeros
// behind a header.
func step(whole []byte, at int) int {
	if !inLab() && len(whole) > wal.DataStart && at < wal.DataStart && at%4096 >= 128 {
		return min(509, 4096-at%4096)
	}
	return size(11, 1)
}

// TestR5 flips bits in every byte of files of every kind.
func TestR5AFlippedBitCostsOnlyItsRecordAndIsNamed(t *testing.T) {
	chance := rand.New(rand.NewPCG(newSeed(t), 0))
	r, planted := newRotting(t), 0
	r.eachFile(func(file string, whole []byte) {
		for at := 0; at < len(whole); at += step(whole, at) {
			bits := []int{chance.IntN(8)}
			if inLab() && !(strings.HasSuffix(file, ".chunk") && at < wal.DataStart && at%4096 >= 128) {
				bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
			}
			for _, bit := range bits {
				content := slices.Clone(whole)
				content[at] ^= 1 << bit
				r.plant(wound{file: file, from: int64(at), to: int64(at + 1), content: content})
				planted++
			}
		}
	})
	t.Logf("%d flipped bits, each named", planted)
}

// TestR5 fills stretches of every length with zeros.
func TestR5ZerosCostOnlyTheRecordsTheyCoverAndAreNamed(t *testing.T) {
	r, planted := newRotting(t), 0
	r.eachFile(func(file string, whole []byte) {
		for _, n := range []int{1, 64, 512, 4096} {
			for at := 0; at < len(whole); at += max(step(whole, at), n/size(3, 32)) {
				content := slices.Clone(whole)
				to := min(at+n, len(whole))
				clear(content[at:to])
				r.plant(wound{file: file, from: int64(at), to: int64(to), content: content})
				planted++
			}
		}
	})
	t.Logf("%d stretches of zeros, each named", planted)
}

// TestR5 cuts files off everywhere.
func TestR5ATruncatedFileCostsOnlyWhatWasCutOffAndIsNamed(t *testing.T) {
	r, planted := newRotting(t), 0
	r.eachFile(func(file string, whole []byte) {
		for at := 0; at < len(whole); at += step(whole, at) {
			r.plant(wound{file: file, from: int64(at), to: int64(len(whole)), content: whole[:at:at]})
			planted++
		}
	})
	t.Logf("%d cuts, each named", planted)
}

// A start with any of that neither panics nor fails, and tells the rest.
func TestR5ADamagedJournalOpensAndCountsEachLossOnce(t *testing.T) {
	r := newRotting(t)
	r.eachFile(func(file string, whole []byte) {
		for at := 0; at < len(whole); at += size(199, 7) {
			content := slices.Clone(whole)
			content[at] ^= 0x10
			w := wound{file: file, from: int64(at), to: int64(at + 1), content: content}
			lost := r.lost(w)
			dir := filepath.Join(t.TempDir(), "damaged")
			if err := os.CopyFS(dir, os.DirFS(r.dir)); err != nil {
				t.Fatal(err)
			}
			r.write(filepath.Join(dir, "journal", file), content)
			j, err := journal.Open(t.Context(), journal.Options{Dir: dir, Now: justAfter})
			if err != nil {
				t.Fatalf("%v: %v", w, err)
			}
			for range 2 {
				if got := ids(storetest.ReadAll(t, j, 5)); got != strings.Join(r.left(lost), " ") {
					t.Errorf("%v: read %s", w, got)
				}
			}
			if s := j.Stats(); file != r.last && int(s.DamagedRecords) != len(lost) {
				t.Errorf("%v: %d records counted as damaged, %d are lost", w, s.DamagedRecords, len(lost))
			}
			if receipt := appendOne(t, j, "fresh"); receipt.Position <= 24 {
				t.Errorf("%v: a fresh event got the position of another: %+v", w, receipt)
			}
			closeJournal(t, j)
			os.RemoveAll(dir)
			if t.Failed() {
				t.FailNow()
			}
		}
	})
}
