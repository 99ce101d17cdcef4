package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
)

// settled returns a record of that kind about the event at position p.
func settled(p store.Position) store.Record {
	return store.Record{
		Kind: store.KindSettled, Event: daybook.Event{ID: fmt.Sprint(p)}, Caller: "checkout",
		Settlement: &store.Settlement{Position: p, Destination: "statsig", Status: daybook.Failed},
	}
}

func TestReadingByKindFindsTheSameAsReadingAll(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir(), ChunkBytes: wal.DataStart + 2000})
	for i := range 40 {
		records := storetest.Events(fmt.Sprint(i), i%4)
		if i%3 == 0 {
			records = append(records, settled(store.Position(i)))
		}
		if _, err := j.Append(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	var want []store.Position
	for _, e := range storetest.ReadAll(t, j, 100) {
		if e.Kind == store.KindSettled {
			want = append(want, e.Position)
		}
	}
	_, newest := j.Bounds()
	for _, most := range []int{1, 2, 3, 5, 100} {
		var got []store.Position
		var after store.Position
		for after < newest {
			entries, through, err := j.ReadKinds(t.Context(), after, most, store.KindSettled, store.KindRefused)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) > most || through <= after || len(entries) > 0 && entries[len(entries)-1].Position > through {
				t.Fatalf("behind %d: %d entries, looked up to %d", after, len(entries), through)
			}
			for _, e := range entries {
				if e.Kind != store.KindSettled || e.Settlement == nil {
					t.Fatalf("position %d is of kind %v", e.Position, e.Kind)
				}
				got = append(got, e.Position)
			}
			after = through
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d at a time: found %v, want %v", most, got, want)
		}
	}
}

func TestReadingByKindComesToTheEndWhereNothingIsOfThatKind(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	if entries, through, err := j.ReadKinds(t.Context(), 0, 10, store.KindRefused); len(entries) != 0 || through != 0 || err != nil {
		t.Errorf("of an empty journal: %v up to %d, %v", entries, through, err)
	}
	if _, err := j.Append(t.Context(), storetest.Events("a", 7)); err != nil {
		t.Fatal(err)
	}
	if entries, through, err := j.ReadKinds(t.Context(), 0, 10, store.KindRefused); len(entries) != 0 || through != 7 || err != nil {
		t.Errorf("%v up to %d, %v; want none up to 7", entries, through, err)
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.ReadKinds(t.Context(), 0, 10, store.KindRefused); !errors.Is(err, daybook.ErrClosed) {
		t.Errorf("of a closed journal: %v", err)
	}
}

// What is passed over costs a checksum, what is read is decoded as well.
func BenchmarkReadKindsPassesOver(b *testing.B) {
	j := open(b, journal.Options{Dir: b.TempDir()})
	const events = 20_000
	for i := range events / 1000 {
		if _, err := j.Append(b.Context(), storetest.Events(fmt.Sprint(i), 1000)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("by kind", func(b *testing.B) {
		for b.Loop() {
			if _, through, err := j.ReadKinds(b.Context(), 0, 100, store.KindRefused); err != nil || through != events {
				b.Fatal(through, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			for after := store.Position(0); after < events; {
				entries, err := j.Read(b.Context(), after, 1000)
				if err != nil || len(entries) == 0 {
					b.Fatal(len(entries), err)
				}
				after = entries[len(entries)-1].Position
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
	})
}
