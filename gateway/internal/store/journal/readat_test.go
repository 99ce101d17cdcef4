package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

func TestSingleRecordsAreRead(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir(), ChunkBytes: wal.DataStart + 600_000})
	const records = 30_000
	for i := range records / 1000 {
		if _, err := j.Append(t.Context(), storetest.Events(fmt.Sprint(i), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	all := func(positions []store.Position) (got []store.Position) {
		for len(positions) > 0 {
			entries, looked, err := j.ReadAt(t.Context(), positions)
			if err != nil || looked < 1 {
				t.Fatal(looked, err)
			}
			for _, e := range entries {
				if want := fmt.Sprintf("%d-%d", (e.Position-1)/1000, (e.Position-1)%1000); e.Event.ID != want {
					t.Fatalf("at %d is %s, want %s", e.Position, e.Event.ID, want)
				}
				got = append(got, e.Position)
			}
			positions = positions[looked:]
		}
		return got
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 10, 300} {
		var want []store.Position
		for range n {
			want = append(want, store.Position(1+chance.IntN(records)))
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if got := all(want); !slices.Equal(got, want) {
			t.Errorf("read %v, want %v", got, want)
		}
	}
	for _, c := range []struct{ ask, want []store.Position }{
		{[]store.Position{1, 2, 3}, []store.Position{1, 2, 3}},
		{[]store.Position{1, records}, []store.Position{1, records}},
		{[]store.Position{records, records + 1, 1 << 60}, []store.Position{records}},
		{[]store.Position{records + 5}, nil},
	} {
		if got := all(c.ask); !slices.Equal(got, c.want) {
			t.Errorf("asked for %v, read %v, want %v", c.ask, got, c.want)
		}
	}
}

func TestLargeRecordsAreReadAFewAtATime(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	large := fmt.Appendf(nil, `{"a":"%01000000d"}`, 1)
	for i := range 12 {
		r := storetest.Event("c", fmt.Sprint(i))
		r.Event.Metadata = large
		if _, err := j.Append(t.Context(), []store.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	entries, looked, err := j.ReadAt(t.Context(), []store.Position{1, 2, 4, 6, 8, 10, 12})
	if err != nil || looked != 5 || len(entries) != 5 {
		t.Errorf("read %d, looked at %d, %v, want five: 4 MiB and what is under way", len(entries), looked, err)
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.ReadAt(t.Context(), []store.Position{1}); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("of a closed journal: %v", err)
	}
}

func TestWhatRetentionHasRemovedIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := small(t)
		o.MaxBytes = smallRoom(5)
		j := open(t, o)
		appendEach(t, j, "a", 40)
		first := oldest(j)
		if first < 3 || first > 38 {
			t.Fatalf("the oldest is %d", first)
		}
		entries, looked, err := j.ReadAt(t.Context(), []store.Position{1, first - 1, first, 40})
		if err != nil || looked != 4 || len(entries) != 2 || entries[0].Position != first || entries[1].Position != 40 {
			t.Errorf("read %v, looked at %d, %v", entries, looked, err)
		}
	})
}
