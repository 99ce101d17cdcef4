package evidence_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
)

// forge rewrites a chunk with other records, as somebody does who knows the
// format: every checksum is right, and the key file is gone.
func (b book) forge(name string, change func([]wal.Record) []wal.Record) {
	b.t.Helper()
	all, err := wal.List(wal.OS{}, filepath.Dir(name))
	if err != nil {
		b.t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(c wal.Listed) bool { return c.Name == name })
	file, err := os.Open(name)
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	var records []wal.Record
	for scan := wal.Scan(file, all[at]); ; {
		r, ok := scan.Next()
		if !ok {
			break
		}
		r.Payload = bytes.Clone(r.Payload)
		records = append(records, r)
	}
	elsewhere := b.t.TempDir()
	chunk, err := wal.Create(wal.OS{}, elsewhere, all[at].Header)
	if err != nil {
		b.t.Fatal(err)
	}
	defer chunk.Close()
	for _, r := range change(records) {
		if err := chunk.Write(chunk.AppendRecord(nil, r, wal.Checksum(r.Payload))); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(elsewhere, filepath.Base(name)), name); err != nil {
		b.t.Fatal(err)
	}
	os.Remove(strings.TrimSuffix(name, ".chunk") + ".keys")
}

// unnoticed requires that the journal's own checks find nothing.
func (b book) unnoticed() {
	b.t.Helper()
	if _, err := journal.Verify(b.dir, func(d journal.Damage) { b.t.Errorf("verify finds %v: this is no forgery", d) }); err != nil {
		b.t.Fatal(err)
	}
}

// finds requires exactly these findings.
func (b book) finds(checkpoint []byte, want ...evidence.Finding) {
	b.t.Helper()
	_, found := b.check(checkpoint)
	for i := range found {
		found[i].What = ""
	}
	if !slices.Equal(found, want) {
		b.t.Errorf("found %v, want %v", found, want)
	}
}

func TestAChangedRecordIsNamed(t *testing.T) {
	b := newBook(t)
	c := b.write("a", 20)
	b.forge(b.chunks()[1], func(all []wal.Record) []wal.Record {
		all[1].Payload = bytes.Replace(all[1].Payload, []byte(`"pro"`), []byte(`"PRO"`), 1)
		return all
	})
	b.unnoticed()
	b.finds(c, evidence.Finding{Verdict: evidence.Changed, Sequence: b.second()})
}

// second is the sequence of the second record of the second chunk.
func (b book) second() uint64 {
	b.t.Helper()
	all, err := wal.List(wal.OS{}, filepath.Join(b.dir, "journal"))
	if err != nil {
		b.t.Fatal(err)
	}
	return all[1].First + 1
}

func TestRecordsThatChangePlacesAreNamed(t *testing.T) {
	b := newBook(t)
	c := b.write("a", 20)
	at := b.second()
	b.forge(b.chunks()[1], func(all []wal.Record) []wal.Record {
		all[1].Payload, all[2].Payload = all[2].Payload, all[1].Payload
		return all
	})
	b.unnoticed()
	b.finds(c,
		evidence.Finding{Verdict: evidence.Reordered, Sequence: at},
		evidence.Finding{Verdict: evidence.Reordered, Sequence: at + 1})
}

func TestARemovedRecordIsNamed(t *testing.T) {
	b := newBook(t)
	c := b.write("a", 20)
	first, at := b.chunks()[0], b.second()
	damage(t, first)
	b.forge(b.chunks()[1], func(all []wal.Record) []wal.Record { return slices.Delete(all, 1, 2) })
	// A repair makes a journal of it that states the gap and verifies clean.
	repaired := filepath.Join(t.TempDir(), "repaired")
	if _, _, err := journal.Repair(b.dir, repaired, journal.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(b.dir, "evidence"), filepath.Join(repaired, "evidence")); err != nil {
		t.Fatal(err)
	}
	b.dir = repaired
	b.unnoticed()
	b.finds(c,
		evidence.Finding{Verdict: evidence.Removed, Sequence: at},
		evidence.Finding{Verdict: evidence.Removed, Sequence: 1})
}

func TestATruncatedJournalIsNamed(t *testing.T) {
	b := newBook(t)
	c := b.write("a", 20)
	chunks := b.chunks()
	os.Remove(chunks[len(chunks)-1])
	last := chunks[len(chunks)-2]
	b.forge(last, func(all []wal.Record) []wal.Record { return all[:1] })
	b.unnoticed()
	left, err := journal.Inspect(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	b.finds(c, evidence.Finding{Verdict: evidence.Truncated, Sequence: uint64(left.Next)})
	// The gateway keeps serving and says so.
	j := b.open()
	defer b.close(j)
	if _, err := evidence.Open(b.options(j)); err == nil {
		t.Error("a tree that leads its journal was continued")
	}
}

func TestATreeThatWasCutBackWithTheJournalIsNamed(t *testing.T) {
	b := newBook(t)
	early := b.write("a", 5)
	before := copyTree(t, b.dir)
	late := b.write("b", 20)
	b.dir = before
	b.clean(early)
	b.finds(late, evidence.Finding{Verdict: evidence.Truncated})
}

// copyTree copies a data directory.
func copyTree(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestASwappedCheckpointIsNamed(t *testing.T) {
	b, other := newBook(t), newBook(t)
	b.write("a", 5)
	foreign := other.write("a", 5)
	b.finds(foreign, evidence.Finding{Verdict: evidence.Swapped}) // another key
	b.finds([]byte("no checkpoint\n"), evidence.Finding{Verdict: evidence.Swapped})
	forged := bytes.Replace(b.checkpoint(), []byte("\n5\n"), []byte("\n4\n"), 1)
	b.finds(forged, evidence.Finding{Verdict: evidence.Swapped})

	other.key = b.key
	os.RemoveAll(filepath.Join(other.dir, "evidence"))
	b.finds(other.write("b", 1), evidence.Finding{Verdict: evidence.Swapped}) // the right key, another journal
}

func TestAJournalRewrittenWithItsTreeIsNamed(t *testing.T) {
	b := newBook(t)
	early := b.write("a", 20)
	b.forge(b.chunks()[0], func(all []wal.Record) []wal.Record {
		all[0].Payload = bytes.Replace(all[0].Payload, []byte(`"pro"`), []byte(`"PRO"`), 1)
		return all
	})
	// Somebody who has the signing key makes the whole tree again.
	if err := os.RemoveAll(filepath.Join(b.dir, "evidence")); err != nil {
		t.Fatal(err)
	}
	late := b.write("b", 1)
	b.unnoticed()
	b.clean(late)
	b.finds(early, evidence.Finding{Verdict: evidence.Rewritten})
}

func TestARecordThatWasSlippedInIsNamed(t *testing.T) {
	b := newBook(t)
	j := b.open()
	b.store(j, "a", 20)
	b.close(j)
	whole := copyTree(t, b.dir)
	damage(t, b.chunks()[1])
	c := b.write("b", 1)
	lost := b.second() - 1
	content, err := os.ReadFile(filepath.Join(whole, "journal", filepath.Base(b.chunks()[1])))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.chunks()[1], content, 0o600); err != nil {
		t.Fatal(err)
	}
	b.finds(c, evidence.Finding{Verdict: evidence.Added, Sequence: lost})
}

func TestDamagedHashesAreNamed(t *testing.T) {
	b := newBook(t)
	c := b.write("a", 300)
	for name, at := range map[string]int64{"level-0": 40, "level-1": 3} {
		file := filepath.Join(b.dir, "evidence", name)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(content)
		changed[at] ^= 1
		os.WriteFile(file, changed, 0o600)
		_, found := b.check(c)
		if len(found) == 0 || found[0].Verdict != evidence.Hashes {
			t.Errorf("%s: found %v", name, found)
		}
		os.WriteFile(file, content[:len(content)-5], 0o600)
		if _, found := b.check(c); len(found) == 0 || found[0].Verdict != evidence.Hashes {
			t.Errorf("%s cut short: found %v", name, found)
		}
		os.WriteFile(file, content, 0o600)
	}
	b.clean(c)
}

func TestARecordIsProvedToWhoeverHasTheCheckpoint(t *testing.T) {
	b := newBook(t)
	signed := b.write("a", 300)
	b.write("b", 300)
	c, err := evidence.OpenCheckpoint(signed, b.key.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	proved := 0
	_, err = journal.Records(b.dir, func(r wal.Record) error {
		p, err := evidence.Prove(b.dir, c, r)
		if r.Sequence > 300 {
			if err == nil {
				t.Errorf("record %d is proved by a checkpoint from before it", r.Sequence)
			}
			return nil
		}
		if err != nil {
			return err
		}
		// What an auditor computes from the record and the checkpoint alone.
		leaf := tlog.RecordHash(append([]byte{r.Kind}, r.Payload...))
		if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, int64(r.Sequence-1), leaf); err != nil {
			return err
		}
		forged := r
		forged.Kind = uint8(store.KindSummary)
		if _, err := evidence.Prove(b.dir, c, forged); err == nil {
			t.Errorf("a forged record %d is proved", r.Sequence)
		}
		proved++
		return nil
	})
	if err != nil || proved != 300 {
		t.Errorf("%d records proved, %v", proved, err)
	}
}
