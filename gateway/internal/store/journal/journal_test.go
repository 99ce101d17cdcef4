package journal_test

import (
	"context"
	"testing"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/need"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// open opens a journal and closes it when the test ends.
func open(t testing.TB, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeJournal(t, j) })
	return j
}

func closeJournal(t testing.TB, j *journal.Journal) {
	t.Helper()
	// The test's own context has ended when its cleanups run.
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestJournalIsAStore(t *testing.T) {
	for name, chunk := range map[string]int64{"in one chunk": 0, "in many chunks": 9000} {
		t.Run(name, func(t *testing.T) {
			dirs := map[string]string{} // by test, so that one can open its store again
			storetest.Run(t, func(t *testing.T) store.Store {
				if dirs[t.Name()] == "" {
					dirs[t.Name()] = t.TempDir()
				}
				return open(t, journal.Options{Dir: dirs[t.Name()], ChunkBytes: chunk})
			}, storetest.Traits{Deduplicates: true, Follows: true, KeepsResults: true, Counts: true, Finds: true, SurvivesReopen: true})
		})
	}
}
