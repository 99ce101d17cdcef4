package formattest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/journal/formattest"
	"daybook.dev/internal/wal"
)

// seeds is how many random journals are compared: a short form, and a long one
// with DAYBOOK_LAB=1.
func seeds() uint64 {
	if os.Getenv("DAYBOOK_LAB") != "" {
		return 2_000
	}
	return 30
}

func TestTheReaderWrittenFromTheDocumentAgreesWithTheJournal(t *testing.T) {
	compared, records, damaged, gaps := uint64(0), 0, 0, 0
	for seed := range seeds() {
		agree := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			dir := work(t, random)
			for range random.IntN(4) {
				harm(t, dir, random)
			}
			book := compare(t, dir)
			compared++
			records, damaged, gaps = records+len(book.Records), damaged+len(book.Lost), gaps+len(book.Gaps)
		})
		if !agree {
			t.Fatalf("again: go test -run '%s/seed_%d$' ./gateway/internal/store/journal/formattest/", t.Name(), seed)
		}
	}
	if compared < seeds() {
		return // somebody looks at one of them
	}
	if records == 0 || damaged == 0 || gaps == 0 {
		t.Errorf("%d records, %d damaged places, %d gaps: nothing was proved", records, damaged, gaps)
	}
	t.Logf("%d journals: %d records, %d damaged places, %d gaps", seeds(), records, damaged, gaps)
}

// work makes a data directory the way it comes about: gateways start, store,
// stop or are killed, and now and then somebody repairs it or restores a backup.
func work(t *testing.T, random *rand.Rand) string {
	t.Helper()
	dir := t.TempDir()
	for range 1 + random.IntN(4) {
		j, err := journal.Open(t.Context(), journal.Options{Dir: dir, ChunkBytes: wal.DataStart + random.Int64N(5_000)})
		if err != nil {
			t.Fatal(err)
		}
		for range random.IntN(20) {
			if _, err := j.Append(t.Context(), randomRecords(random)); err != nil {
				t.Fatal(err)
			}
		}
		var elsewhere string
		if random.IntN(3) == 0 {
			elsewhere = filepath.Join(t.TempDir(), "killed")
			if err := copyJournal(elsewhere, dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if elsewhere != "" {
			dir = elsewhere
		}
		dir = moved(t, dir, random)
	}
	return dir
}

// moved sometimes returns another directory, with a repaired copy or a backup.
func moved(t *testing.T, dir string, random *rand.Rand) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	switch random.IntN(6) {
	case 0:
		harm(t, dir, random)
		if _, _, err := journal.Repair(dir, to, journal.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		return to
	case 1:
		if _, err := journal.Backup(dir, to, journal.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		return to
	}
	return dir
}

// copyJournal copies the chunks of a journal that is open: what a killed
// process leaves.
func copyJournal(to, from string) error {
	if err := os.MkdirAll(filepath.Join(to, "journal"), 0o700); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(from, "journal", "*.chunk"))
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, "journal", filepath.Base(name)), content, 0o600); err != nil {
			return err
		}
	}
	return err
}

// harm damages one file in one of many ways.
func harm(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "journal", "*.chunk"))
	if err != nil || len(names) == 0 {
		return
	}
	name := names[random.IntN(len(names))]
	content, err := os.ReadFile(name)
	if err != nil || len(content) <= wal.DataStart {
		return
	}
	place := wal.DataStart + random.IntN(len(content)-wal.DataStart)
	switch random.IntN(8) {
	case 0: // a bit
		content[place] ^= 1 << random.IntN(8)
	case 1: // a sector of zeros
		clear(content[place/512*512 : min(place/512*512+512, len(content))])
	case 2: // the end
		content = content[:place]
	case 3: // room that was never written to
		content = append(content, make([]byte, random.IntN(3000))...)
	case 4: // a write that did not get far
		content = append(content, content[place:]...)
	case 5: // one header, and sometimes the other
		content[random.IntN(128)] ^= 1
		if random.IntN(2) == 0 {
			content[4096+random.IntN(128)] ^= 1
		}
	case 6: // records from elsewhere in the file
		copy(content[wal.DataStart+random.IntN((len(content)-wal.DataStart+7)/8)*8:], content[place:])
	case 7:
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func randomRecords(random *rand.Rand) []store.Record {
	records := make([]store.Record, 1+random.IntN(4))
	for i := range records {
		records[i] = randomRecord(random)
	}
	return records
}

func randomRecord(random *rand.Rand) store.Record {
	text := func(n int) string { return fmt.Sprintf("%0*x", 1+random.IntN(n), random.Uint32()) }
	r := store.Record{
		Kind: store.Kind(1 + random.IntN(4)), Caller: text(20), Protocol: "http", Instance: text(9),
		Received: time.Unix(0, random.Int64()).UTC(), StoreOnly: random.IntN(2) == 0,
		Event: daybook.Event{
			ID: text(40), Name: text(40), Type: daybook.Type(text(9)), Actor: text(9), IdempotencyKey: text(9),
			Time: time.Unix(random.Int64N(1<<35)-1<<34, random.Int64N(1e9)).UTC(), SampleRate: random.Float64(),
			Metadata: []byte(`{"k":"` + text(300) + `"}`),
		},
	}
	if random.IntN(2) == 0 {
		r.Scope = text(9)
	}
	for range random.IntN(3) {
		r.Awaited = append(r.Awaited, text(9))
	}
	switch r.Kind {
	case store.KindRefused:
		r.Refusal = &store.Refusal{Destination: text(3), Position: store.Position(random.Uint64N(3)), Attempts: 3, Code: daybook.Invalid, Reason: text(9), Field: text(9), Message: text(99)}
	case store.KindSettled:
		r.Settlement = &store.Settlement{Position: store.Position(random.Uint64()), Destination: text(9), Status: daybook.Stored, Reason: text(9)}
	case store.KindSummary:
		r.Summary = []store.Count{{Caller: text(9), Status: daybook.Failed, Reason: text(9), Events: random.Uint64()}, {Events: 1}}
		r.Through = store.Position(random.Uint64N(3))
	}
	return r
}

// compare reads a directory with both readers.
func compare(t *testing.T, dir string) *formattest.Book {
	t.Helper()
	book, err := formattest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	var places []formattest.Lost
	report, err := journal.Verify(dir, func(d journal.Damage) {
		if d.Sequence != 0 {
			places = append(places, formattest.Lost{File: d.File, Offset: d.Offset, First: int64(d.Sequence)})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = journal.Dump(dir, func(e store.Entry) error { // damage is compared above
		entries = append(entries, e)
		return nil
	})
	if len(entries) != len(book.Records) {
		t.Errorf("the journal has %d records, the reader %d", len(entries), len(book.Records))
		return book
	}
	for i, e := range entries {
		compareRecord(t, e, book.Records[i])
	}
	comparePlaces(t, places, book.Lost)
	compareGaps(t, report.Gaps, book.Gaps)
	if len(book.Wrong) > 0 || book.Events != int64(report.Stored) {
		t.Errorf("the journal has stored %d events, the reader says %d; wrong: %q", report.Stored, book.Events, book.Wrong)
	}
	if torn := report.Unfinished > 0; torn && !book.Torn {
		t.Errorf("the journal says the last write is not whole, the reader %v", book.Torn)
	}
	return book
}

func comparePlaces(t *testing.T, want, got []formattest.Lost) {
	t.Helper()
	got = slices.Clone(got)
	for i := range got {
		got[i].Last = 0 // the journal says it in words
	}
	byPlace := func(a, b formattest.Lost) int {
		return bytes.Compare(fmt.Appendf(nil, "%s %020d %020d", a.File, a.Offset, a.First), fmt.Appendf(nil, "%s %020d %020d", b.File, b.Offset, b.First))
	}
	slices.SortFunc(want, byPlace)
	slices.SortFunc(got, byPlace)
	if !slices.Equal(want, got) {
		t.Errorf("the journal names damage\n%v\nthe reader\n%v", want, got)
	}
}

func compareGaps(t *testing.T, want []journal.Gap, got [][2]int64) {
	t.Helper()
	var gaps [][2]int64
	for _, g := range want {
		gaps = append(gaps, [2]int64{int64(g.First), int64(g.Last)})
	}
	if !slices.Equal(gaps, got) {
		t.Errorf("the journal states gaps %v, the reader %v", gaps, got)
	}
}

// compareRecord compares field by field, with the numbers of the document.
func compareRecord(t *testing.T, e store.Entry, r formattest.Record) {
	t.Helper()
	p, err := formattest.Parse(r.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if int64(e.Position) != r.Sequence || byte(e.Kind) != r.Kind {
		t.Errorf("the journal has record %d of kind %d, the reader %d of kind %d", e.Position, e.Kind, r.Sequence, r.Kind)
	}
	scope := e.Scope
	if scope == "" {
		scope = e.Caller
	}
	length := uint64(len(scope))
	if e.Kind == store.KindRefused && e.Refusal.Destination == "" {
		length |= 1 << 62
	}
	key := sha256.Sum256(append(append(binary.BigEndian.AppendUint64(nil, length), scope...), e.Event.ID...))
	texts := map[int]string{
		1: string(key[:16]), 3: e.Scope, 4: e.Event.ID, 5: e.Event.Name, 6: string(e.Event.Type), 7: e.Event.Actor,
		10: string(e.Event.Metadata), 11: e.Event.IdempotencyKey, 13: e.Caller, 14: e.Protocol, 15: e.Instance,
	}
	seconds := e.Event.Time.Unix()
	numbers := map[int]uint64{
		8: uint64(seconds<<1) ^ uint64(seconds>>63), 9: uint64(e.Event.Time.Nanosecond()),
		12: math.Float64bits(e.Event.SampleRate), 16: uint64(e.Received.UnixNano()),
	}
	if e.StoreOnly {
		numbers[27] = 1
	}
	if f := e.Refusal; f != nil {
		texts[18], texts[19], texts[20], texts[21] = f.Reason, f.Field, f.Message, f.Destination
		numbers[17], numbers[22], numbers[23] = uint64(f.Code), uint64(f.Attempts), uint64(f.Position)
	}
	if s := e.Settlement; s != nil {
		texts[18], texts[21] = s.Reason, s.Destination
		numbers[23], numbers[24] = uint64(s.Position), uint64(s.Status)
	}
	if e.Kind == store.KindSummary {
		numbers[23] = uint64(e.Through)
	}
	compareFields(t, texts, numbers, p)
	if !slices.Equal(e.Awaited, p.Awaited) {
		t.Errorf("awaited %q, the reader has %q", e.Awaited, p.Awaited)
	}
	if len(p.Counts) != len(e.Summary) {
		t.Fatalf("%d counts, want %d", len(p.Counts), len(e.Summary))
	}
	for i, c := range e.Summary {
		compareFields(t, map[int]string{13: c.Caller, 18: c.Reason}, map[int]uint64{24: uint64(c.Status), 26: c.Events}, p.Counts[i])
	}
}

// compareFields compares a payload with the fields that it has to have; absent
// means empty.
func compareFields(t *testing.T, texts map[int]string, numbers map[int]uint64, p formattest.Payload) {
	t.Helper()
	gotTexts, gotNumbers := map[int]string{}, map[int]uint64{}
	for n, b := range p.Bytes {
		if n != 2 { // the digest is the journal's own affair
			gotTexts[n] = string(b)
		}
	}
	for n, v := range p.Numbers {
		if v != 0 {
			gotNumbers[n] = v
		}
	}
	for n, text := range texts {
		if text == "" {
			delete(texts, n)
		}
	}
	for n, v := range numbers {
		if v == 0 {
			delete(numbers, n)
		}
	}
	if !reflect.DeepEqual(gotTexts, texts) || !reflect.DeepEqual(gotNumbers, numbers) {
		t.Errorf("fields are\n%v %v\nwant\n%v %v", gotTexts, gotNumbers, texts, numbers)
	}
}
