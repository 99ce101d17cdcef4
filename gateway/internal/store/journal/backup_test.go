package journal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

func backup(t testing.TB, from, to string) journal.BackupResult {
	t.Helper()
	r, err := journal.Backup(from, to, journal.CopyOptions{Found: func(d journal.Damage) { t.Error(d) }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestABackupIsTheJournalInItsNextLife(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	fill(t, from, "a", 30)
	before := contents(t, from)
	r := backup(t, from, to)
	if !reflect.DeepEqual(contents(t, from), before) {
		t.Error("the source was changed")
	}
	whole := entries(t, from)
	if got := entries(t, to); len(whole) != 30 || !reflect.DeepEqual(got, whole) {
		t.Errorf("%d of %d records are in the backup", len(got), len(whole))
	}
	if r.Backup.Epoch != 2 || r.Backup.KeyFiles == 0 || len(r.Backup.Gaps) != 0 || r.Kept != 0 || r.Copied != len(files(t, from, ".chunk"))-1 { // the last one is empty
		t.Errorf("got %+v", r)
	}
	continueIn(t, to, whole)
	if r, err := journal.Inspect(to); err != nil || r.Epoch != 2 {
		t.Errorf("after a start the backup is %+v, %v", r, err)
	}
}

func TestASecondBackupCopiesWhatIsNew(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	for round := range 4 {
		fill(t, from, fmt.Sprint(round), 10)
		r := backup(t, from, to)
		if got, want := entries(t, to), entries(t, from); len(want) != 10*(round+1) || !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: %d of %d records are in the backup", round, len(got), len(want))
		}
		if round > 0 && (r.Kept == 0 || r.Copied > 6) || r.Backup.Epoch != 2 {
			t.Errorf("round %d: %+v", round, r)
		}
		if n := backup(t, from, to).Copied; n != 0 {
			t.Errorf("round %d: %d chunks are copied again", round, n)
		}
	}
	// The ends of earlier backups are gone; the last one stands for the empty chunk.
	if got, want := len(files(t, to, ".chunk")), len(files(t, from, ".chunk")); got != want {
		t.Errorf("%d chunks in the backup, want %d", got, want)
	}
}

func TestABackupKeepsWhatRetentionHasTakenFromTheJournal(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	fill(t, from, "a", 20)
	backup(t, from, to)
	for _, name := range files(t, from, ".chunk")[:2] {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, from, "b", 10)
	backup(t, from, to)
	if got := entries(t, to); len(got) != 30 {
		t.Errorf("%d records are in the backup, want 30", len(got))
	}
}

func TestABackupOfARunningJournalHasEverythingAcknowledgedBeforeIt(t *testing.T) {
	from := t.TempDir()
	j := open(t, journal.Options{Dir: from, ChunkBytes: wal.DataStart + 4000})
	var appenders sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for a := range 4 {
		appenders.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", a, i)
				receipts, err := j.Append(t.Context(), []store.Record{storetest.Event("c", id)})
				if err != nil || receipts[0].Status != daybook.Stored {
					t.Errorf("append: %+v, %v", receipts, err)
					return
				}
				mu.Lock()
				acknowledged[id] = true
				mu.Unlock()
			}
		})
	}
	to := filepath.Join(t.TempDir(), "backup")
	for range 8 {
		mu.Lock()
		before := len(acknowledged)
		known := make(map[string]bool, before)
		for id := range acknowledged {
			known[id] = true
		}
		mu.Unlock()
		backup(t, from, to)
		for _, id := range dump(t, to) {
			delete(known, id)
		}
		if len(known) > 0 {
			t.Errorf("%d of %d acknowledged events are not in the backup", len(known), before)
		}
	}
	stop()
	appenders.Wait()
}

func TestABackupIsRefusedWhereItWouldMixLives(t *testing.T) {
	from, other := t.TempDir(), t.TempDir()
	fill(t, from, "a", 20)
	fill(t, other, "a", 20)
	for name, c := range map[string]struct {
		target func(t *testing.T) string
		want   string
	}{
		"the journal itself":                {func(*testing.T) string { return from }, "directory to copy"},
		"a backup of another journal":       {func(t *testing.T) string { to := t.TempDir(); backup(t, other, to); return to }, "another journal"},
		"a backup that has a life":          {aliveBackup(from), "events of its own"},
		"a directory in use":                {openBackup(from), "in use"},
		"a directory with other things":     {func(t *testing.T) string { return filepath.Join(from, "journal") }, "other things"},
		"a backup with chunks in between":   {outdatedBackup(from), "no longer keeps"},
		"a backup whose chunks are damaged": {damagedBackup(from), "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			to := c.target(t)
			before := contents(t, to)
			_, err := journal.Backup(from, to, journal.CopyOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one about %q", err, c.want)
			}
			after := contents(t, to)
			delete(before, filepath.Join(to, "lock"))
			delete(after, filepath.Join(to, "lock"))
			if !reflect.DeepEqual(after, before) {
				t.Error("it was changed")
			}
		})
	}
}

// aliveBackup is a backup in which a gateway was started.
func aliveBackup(from string) func(*testing.T) string {
	return func(t *testing.T) string {
		to := t.TempDir()
		backup(t, from, to)
		fill(t, to, "b", 1)
		return to
	}
}

func openBackup(from string) func(*testing.T) string {
	return func(t *testing.T) string {
		to := t.TempDir()
		backup(t, from, to)
		open(t, journal.Options{Dir: to})
		return to
	}
}

// outdatedBackup ends before what the journal keeps begins.
func outdatedBackup(from string) func(*testing.T) string {
	return func(t *testing.T) string {
		to := t.TempDir()
		backup(t, from, to)
		for _, name := range files(t, to, ".chunk")[1:] {
			os.Remove(name)
		}
		chunks := files(t, from, ".chunk")
		for _, name := range chunks[:2] {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			os.Remove(name)
			t.Cleanup(func() { os.WriteFile(name, content, 0o600) })
		}
		return to
	}
}

func damagedBackup(from string) func(*testing.T) string {
	return func(t *testing.T) string {
		to := t.TempDir()
		backup(t, from, to)
		overwrite(t, files(t, to, ".chunk")[0], 0, make([]byte, wal.DataStart))
		return to
	}
}

func TestABackupStoppedAnywhereIsNeverTakenForTheOriginal(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	for round, prefix := range []string{"a", "b"} {
		fill(t, from, prefix, 20)
		seen := 0
		_, err := journal.Backup(from, to, journal.CopyOptions{Progress: func(done, total int64) {
			// What somebody would find who killed it now.
			r, err := journal.Inspect(to)
			if err != nil || r.Epoch != 2 || done < total && r.Damaged == 0 {
				t.Errorf("round %d, %d of %d bytes copied: %+v, %v", round, done, total, r, err)
			}
			killed := filepath.Join(t.TempDir(), "killed")
			if err := os.CopyFS(killed, os.DirFS(to)); err != nil {
				t.Error(err)
			}
			j := open(t, journal.Options{Dir: killed})
			if got := appendOne(t, j, "fresh"); got.Position != store.Position(20*(round+1)+1) {
				t.Errorf("a gateway that starts there gives position %d", got.Position)
			}
			closeJournal(t, j)
			seen++
		}})
		if err != nil || seen < 3 {
			t.Fatalf("%d steps, %v", seen, err)
		}
	}
}

func TestADamagedJournalIsBackedUpWithWhatIsWhole(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	fill(t, from, "a", 12)
	overwrite(t, files(t, from, ".chunk")[0], wal.DataStart+40, []byte("damage"))
	var found []journal.Damage
	_, err := journal.Backup(from, to, journal.CopyOptions{Found: func(d journal.Damage) { found = append(found, d) }})
	if err == nil || len(found) != 1 || found[0].Sequence != 1 {
		t.Errorf("found %v, error %v", found, err)
	}
	if got := entries(t, to); len(got) != 11 {
		t.Errorf("%d records are in the backup", len(got))
	}
}
