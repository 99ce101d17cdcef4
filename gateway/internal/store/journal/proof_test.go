package journal_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// inLab says that a proof is run in its long form: DAYBOOK_LAB=1.
func inLab() bool { return os.Getenv("DAYBOOK_LAB") == "1" }

// size is how much a proof does: short, or long in the lab.
func size(short, long int) int {
	if inLab() {
		return long
	}
	return short
}

// newSeed returns the seed of a proof, DAYBOOK_SEED or the time, and prints the
// command that repeats it. The order in which goroutines run does not repeat.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	text := cmp.Or(os.Getenv("DAYBOOK_SEED"), strconv.FormatInt(time.Now().UnixNano(), 10))
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("DAYBOOK_SEED: %v", err)
	}
	lab := ""
	if inLab() {
		lab = "DAYBOOK_LAB=1 "
	}
	t.Logf("again: %sDAYBOOK_SEED=%d go test -count=1 -v -run '^%s$' ./gateway/internal/store/journal/", lab, seed, t.Name())
	return seed
}

// A book is what a client knows: what it sent and what it was told.
type book struct {
	mu    sync.Mutex
	pages map[string]*page // guarded by mu, like everything below; by event id

	// shaky are those that failed after the last acknowledgement. Until the
	// journal has begun a new chunk they may come back with a restart: no disk
	// that refuses everything can be told otherwise.
	shaky map[*page]int // by how many had failed before

	// What was asked and answered, for the identity of the ledger.
	received, stored, duplicate, refused, failed int
	codes                                        map[daybook.Code]int // of the failures
}

// A page is what a client knows of one event id.
type page struct {
	sent     []store.Record // every content sent under the id
	kept     *store.Record  // the one that was acknowledged
	position store.Position // where; 0 = not told
	unheard  bool           // some attempt got no answer: it may be there
	conflict bool           // a first copy with other content is there
	told     bool           // the answer was stored, not only duplicate
}

func newBook() *book {
	return &book{pages: map[string]*page{}, shaky: map[*page]int{}, codes: map[daybook.Code]int{}}
}

// send appends records and writes down the answers. hears reports whether an
// answer reaches the client; after a power cut none does.
func (b *book) send(t *testing.T, j *journal.Journal, hears func() bool, records ...store.Record) {
	t.Helper()
	b.mu.Lock()
	for _, r := range records {
		b.page(r.Event.ID).sent = append(b.page(r.Event.ID).sent, r)
	}
	failed := b.failed
	b.mu.Unlock()
	receipts, err := j.Append(t.Context(), records)
	heard := hears()
	if err == nil && len(receipts) != len(records) {
		t.Errorf("%d receipts for %d records", len(receipts), len(records))
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received += len(records)
	for i, r := range records {
		receipt := store.Receipt{Status: daybook.Failed, ID: r.Event.ID, Err: err}
		if err == nil {
			receipt = receipts[i]
		}
		b.note(t, r, receipt, heard)
		if receipt.Status == daybook.Stored {
			maps.DeleteFunc(b.shaky, func(_ *page, before int) bool { return before < failed })
		}
	}
}

// restarted takes note that the journal was closed or killed.
func (b *book) restarted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.shaky {
		p.unheard = true
	}
	clear(b.shaky)
}

func (b *book) page(id string) *page {
	if b.pages[id] == nil {
		b.pages[id] = &page{}
	}
	return b.pages[id]
}

// note enters one answer.
func (b *book) note(t *testing.T, r store.Record, receipt store.Receipt, heard bool) {
	t.Helper()
	p := b.page(r.Event.ID)
	if receipt.ID != r.Event.ID {
		t.Errorf("the receipt of %s names %s", r.Event.ID, receipt.ID)
	}
	switch receipt.Status {
	case daybook.Stored:
		b.stored++
		p.told = true
		// At the same place it is the same copy: the answer about a duplicate
		// may be read before the one about the first.
		if p.kept != nil && p.position != receipt.Position {
			t.Errorf("%s was acknowledged at %d and is stored again at %d", r.Event.ID, p.position, receipt.Position)
		}
		p.keep(r, receipt.Position)
	case daybook.Duplicate:
		b.duplicate++
		if p.kept != nil && p.kept.Digest != r.Digest {
			t.Errorf("%s with other content is called a duplicate", r.Event.ID)
		}
		p.keep(r, receipt.Position)
	case daybook.Refused:
		b.refused++
		if p.kept != nil && p.kept.Digest == r.Digest || daybook.CodeOf(receipt.Err) != daybook.Conflict {
			t.Errorf("%s is refused: %v", r.Event.ID, receipt.Err)
		}
		p.conflict = true
	case daybook.Failed:
		b.shaky[p] = b.failed
		b.failed++
		b.codes[daybook.CodeOf(receipt.Err)]++
		p.unheard = p.unheard || !heard
	default:
		t.Errorf("%s: status %v", r.Event.ID, receipt.Status)
	}
}

func (p *page) keep(r store.Record, position store.Position) {
	if p.kept == nil {
		p.kept = &r
	}
	p.position = max(p.position, position)
}

// check compares what is readable with what the client was told. It returns how
// many of the entries nobody was told of as stored.
func (b *book) check(t *testing.T, entries []store.Entry) (untold int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[string]bool{}
	for _, e := range entries {
		p := b.pages[e.Event.ID]
		switch {
		case p == nil:
			t.Errorf("nobody sent %q, which is at %d", e.Event.ID, e.Position)
			continue
		case found[e.Event.ID]:
			t.Errorf("%s is there twice", e.Event.ID)
		case p.kept == nil && !p.unheard && !p.conflict:
			t.Errorf("%s was answered failed and is there, at %d", e.Event.ID, e.Position)
		case p.position != 0 && p.position != e.Position:
			t.Errorf("%s was stored at %d and is at %d", e.Event.ID, p.position, e.Position)
		case !p.matches(e.Record):
			t.Errorf("%s at %d is not what was sent", e.Event.ID, e.Position)
		}
		found[e.Event.ID] = true
		if !p.told {
			untold++
		}
	}
	for id, p := range b.pages {
		if (p.kept != nil || p.conflict) && !found[id] {
			t.Errorf("%s was acknowledged, at %d, and is gone", id, p.position)
		}
	}
	return untold
}

// matches reports whether r is what was acknowledged, or else something sent.
func (p *page) matches(r store.Record) bool {
	if p.kept != nil {
		return reflect.DeepEqual(*p.kept, r)
	}
	for _, s := range p.sent {
		if reflect.DeepEqual(s, r) {
			return true
		}
	}
	return false
}

// event returns a record whose metadata has about n bytes that depend on text.
func event(id, text string, n int) store.Record {
	r := storetest.Event("c", id)
	r.Event.Metadata = []byte(fmt.Sprintf(`{"text":%q,"pad":%q}`, text, strings.Repeat("x", n)))
	sum := sha256.Sum256(r.Event.Metadata)
	copy(r.Digest[:], sum[:])
	return r
}

// A world is a journal on a Disk, with a client whose book says what has to be
// there.
type world struct {
	t       *testing.T
	chance  *rand.Rand
	disk    *waltest.Disk
	options journal.Options
	journal *journal.Journal // nil when it could not be opened
	book    *book
	events  int
	lengths [5]int // of the events' texts
}

func newWorld(t *testing.T, seed uint64) *world {
	return &world{
		t: t, chance: rand.New(rand.NewPCG(seed, 1)), disk: waltest.NewDisk(seed), book: newBook(),
		lengths: [5]int{0, 30, 400, 3000, 9000},
		options: journal.Options{Dir: "/data", ChunkBytes: wal.DataStart + 8000, Now: justAfter},
	}
}

// open opens the journal, or notes that it cannot be.
func (w *world) open() error {
	w.t.Helper()
	w.options.FS = w.disk
	j, err := journal.Open(w.t.Context(), w.options)
	w.journal = j
	return err
}

func (w *world) close() {
	w.t.Helper()
	if w.journal != nil {
		closeJournal(w.t, w.journal)
		w.journal = nil
	}
	w.book.restarted()
}

// hears reports whether the client still gets answers.
func (w *world) hears() bool { return !w.disk.Cut() }

// batch makes a few new events, of which now and then one repeats an earlier
// one, or has its id and another content.
func (w *world) batch() []store.Record {
	records := make([]store.Record, 1+w.chance.IntN(3))
	for i := range records {
		w.events++
		n := w.events
		if w.events > 1 && w.chance.IntN(4) == 0 {
			n = 1 + w.chance.IntN(w.events-1)
		}
		text := "first"
		if w.chance.IntN(12) == 0 {
			text = "other"
		}
		// The length depends on the number: a repetition has the same content.
		records[i] = event(fmt.Sprintf("e-%d", n), text, w.lengths[n%5])
	}
	return records
}

// What work does at its end.
const (
	shutDown = true
	stayOpen = false
)

// work is what a client does in a short time: single appends, several at once,
// and in the middle the gateway is started again.
func (w *world) work(steps int, end bool) {
	w.t.Helper()
	if w.open() != nil {
		return
	}
	for i := range steps {
		switch {
		case i == steps/2:
			w.close()
			if w.open() != nil {
				return
			}
		case i%5 == 4:
			w.burst(3)
		default:
			w.book.send(w.t, w.journal, w.hears, w.batch()...)
		}
	}
	if end == shutDown {
		w.close()
	}
}

// burst appends n batches at once.
func (w *world) burst(n int) {
	w.t.Helper()
	var appenders sync.WaitGroup
	for range n {
		records := w.batch()
		appenders.Go(func() { w.book.send(w.t, w.journal, w.hears, records...) })
	}
	appenders.Wait()
}

// requireWhole starts the gateway again and requires that everything told is
// true, that a fresh event is taken, and that nothing is found to be damaged.
func (w *world) requireWhole() {
	w.t.Helper()
	w.close()
	if err := w.open(); err != nil {
		w.t.Fatal(err)
	}
	w.book.check(w.t, storetest.ReadAll(w.t, w.journal, 7))
	if s := w.journal.Stats(); s.DamagedRecords != 0 {
		w.t.Errorf("%d records damaged", s.DamagedRecords)
	}
	storetest.RequireTallies(w.t, w.journal)
	w.requireDuplicates()
	w.events++
	fresh := event(fmt.Sprintf("fresh-%d", w.events), "first", 100)
	w.book.send(w.t, w.journal, w.hears, fresh)
	if w.book.pages[fresh.Event.ID].kept == nil {
		w.t.Error("a fresh event is not stored")
	}
	w.book.check(w.t, storetest.ReadAll(w.t, w.journal, 7))
	w.close()
	// Making files is most of what a run costs: one in some is looked at.
	if w.chance.IntN(5) == 0 {
		w.requireClean()
	}
}

// requireDuplicates sends what was acknowledged again.
func (w *world) requireDuplicates() {
	w.t.Helper()
	for _, p := range w.book.pages {
		if p.kept == nil {
			continue
		}
		receipts, err := w.journal.Append(w.t.Context(), []store.Record{*p.kept})
		if err != nil {
			w.t.Fatal(err)
		}
		if receipts[0].Status != daybook.Duplicate {
			w.t.Errorf("%s was acknowledged, its copy is %v", p.kept.Event.ID, receipts[0].Status)
		}
	}
}

// requireClean verifies the files as an operator would.
func (w *world) requireClean() {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := w.disk.CopyTo(dir); err != nil {
		w.t.Fatal(err)
	}
	verifyClean(w.t, dir+"/data")
	_ = os.RemoveAll(dir) // a proof makes thousands
}

// explain prints what was done to the disk before a proof failed.
func (w *world) explain(disk *waltest.Disk, format string, args ...any) {
	w.t.Helper()
	var text bytes.Buffer
	for i, op := range disk.Log() {
		fmt.Fprintf(&text, "%4d %v\n", i+1, op)
	}
	w.t.Fatalf(format+"; what was done to the disk:\n%s", append(args, &text)...)
}
