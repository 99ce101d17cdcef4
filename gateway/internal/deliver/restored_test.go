package deliver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/journal"
)

func openJournal(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir, AllowEphemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func storeEvents(t *testing.T, j *journal.Journal, prefix string, n int) {
	t.Helper()
	var records []store.Record
	for i := range n {
		records = append(records, delivertest.Event("shop", fmt.Sprint(prefix, "-", i), ""))
	}
	receipts, err := j.Append(t.Context(), records)
	if err != nil || receipts[n-1].Status != daybook.Stored {
		t.Fatal(receipts, err)
	}
}

// deliverAll delivers n events that are in the journal of a directory, and returns
// the destination's status at the end.
func deliverAll(t *testing.T, dir string, sink *delivertest.Sink, n int) deliver.Status {
	t.Helper()
	written := make(chan int)
	sink.Do(func(_ context.Context, events []daybook.Event) error { written <- len(events); return nil })
	j := openJournal(t, dir)
	defer func() { _ = j.Close(context.Background()) }()
	id, epoch := j.Life()
	e, err := deliver.Open(t.Context(), deliver.Options{
		Store: j, StoreID: id, Epoch: epoch, Known: j.Known, Dir: dir,
		Destinations: []deliver.Destination{{Name: "out", Sink: sink, Batch: deliver.Batch{Age: time.Millisecond}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Run(context.Background()) }()
	for n > 0 {
		n -= <-written
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
	return e.Status()[0]
}

func TestCursorsThatWereCopiedBesideABackupMeanTheLifeTheyComeFrom(t *testing.T) {
	source, restored := t.TempDir(), filepath.Join(t.TempDir(), "restored")
	j := openJournal(t, source)
	storeEvents(t, j, "both", 10)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Backup(source, restored, journal.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, source)
	storeEvents(t, j, "first-life", 5)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliverAll(t, source, &delivertest.Sink{}, 15)
	if err := os.CopyFS(filepath.Join(restored, "deliver"), os.DirFS(filepath.Join(source, "deliver"))); err != nil {
		t.Fatal(err)
	}

	j = openJournal(t, restored) // the gateway of the second life, not delivering yet
	storeEvents(t, j, "second-life", 7)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sink := &delivertest.Sink{}
	s := deliverAll(t, restored, sink, 7)
	each(t, sink, 1, 1, ids("second-life", 7)...)
	each(t, sink, 0, 0, ids("both", 10)...)
	balanced(t, s)
	if s.Delivered != 10+5+7 {
		t.Errorf("%+v", s)
	}
}
