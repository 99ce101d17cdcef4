package deliver_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/deliver/delivertest"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

const cursorFile = "/data/deliver/out.cursor"

// content returns what a file of the disk holds.
func (p *place) content(t *testing.T, name string) []byte {
	t.Helper()
	content, err := wal.ReadFile(p.disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// damage changes a byte in the middle of a file.
func (p *place) damage(t *testing.T, name string) {
	t.Helper()
	content := bytes.Clone(p.content(t, name))
	content[len(content)/2] ^= 1
	p.disk.Put(name, content)
}

// halfway has a destination that has refused one event of twenty, whose second
// half was stored and delivered later.
func halfway(t *testing.T) (*place, *delivertest.Sink) {
	t.Helper()
	p := newPlace()
	sink := &delivertest.Sink{}
	p.add("a", 10)
	r := p.start(t, out(sink))
	settle(5 * time.Second)
	p.add("b", 10)
	settle(300 * time.Millisecond)
	r.wants(deliver.Counts{Delivered: 20}, 0)
	p.crash(r, waltest.Everything)
	return p, sink
}

func TestADamagedCursorIsReplacedByTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		p.damage(t, cursorFile)
		r := p.start(t, out(sink))
		settle(5 * time.Second)
		r.wants(deliver.Counts{Delivered: 20}, 0)
		each(t, sink, 1, 1, ids("a", 10)...)
		each(t, sink, 1, 2, ids("b", 10)...)
		if lines := p.log.lines("level=ERROR", "cursor is damaged", "the copy before", "checksum"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		p.content(t, "/data/deliver/out.cursor.damaged") // kept for people
		r.stop()
	})
}

func TestWithoutAnyCursorThatCanBeReadEverythingIsDeliveredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		p.damage(t, cursorFile)
		p.damage(t, cursorFile+".old")
		d := out(sink)
		d.From = deliver.From{Now: true} // it is no new destination
		r := p.start(t, d)
		settle(5 * time.Second)
		r.wants(deliver.Counts{Delivered: 20}, 0)
		each(t, sink, 2, 2, append(ids("a", 10), ids("b", 10)...)...)
		if lines := p.log.lines("level=ERROR", "cursor is damaged", "there is no copy"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		r.stop()
	})
}

func TestACursorOfAnotherStoreIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		r := p.startWith(t, deliver.Options{StoreID: "store-2", Epoch: 1, Destinations: []deliver.Destination{out(sink)}})
		settle(5 * time.Second)
		each(t, sink, 2, 2, append(ids("a", 10), ids("b", 10)...)...)
		r.wants(deliver.Counts{Delivered: 20}, 0)
		if lines := p.log.lines("level=ERROR", "another store"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		r.stop()
	})
}

func TestACursorThatIsAheadOfARestoredStoreGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		p.store.Cut(10)
		p.store.Seal() // a copy ends a part
		p.add("c", 5)
		r := p.startWith(t, deliver.Options{
			StoreID: "store-1", Epoch: 2, Destinations: []deliver.Destination{out(sink)},
			Known: func(uint64) store.Position { return 10 },
		})
		_ = r
		settle(5 * time.Second)
		each(t, sink, 1, 1, append(ids("a", 10), ids("b", 10)...)...)
		each(t, sink, 1, 1, ids("c", 5)...)
		if lines := p.log.lines("level=ERROR", "ahead of the store"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		balanced(t, r.status())
		r.stop()
	})
}

func TestACursorOfANewerVersionIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		head, body := "daybook-cursor 2", `{"unknown":"to us"}`
		p.disk.Put(cursorFile, fmt.Appendf(nil, "%s %08x\n%s", head, wal.Checksum([]byte(head+body)), body))
		_, err := deliver.Open(t.Context(), deliver.Options{
			Store: p.store, StoreID: "store-1", Dir: "/data", FS: p.disk, Destinations: []deliver.Destination{out(sink)},
		})
		if err == nil || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), cursorFile) {
			t.Errorf("opened: %v", err)
		}
		if now := p.content(t, cursorFile); !bytes.HasPrefix(now, []byte("daybook-cursor 2")) {
			t.Error("the file was touched")
		}
	})
}

func TestACursorThatCannotBeOpenedDoesNotPassForDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		p.disk.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.Open && op.Name == cursorFile {
				return syscall.EMFILE
			}
			return nil
		})
		_, err := deliver.Open(t.Context(), deliver.Options{
			Store: p.store, StoreID: "store-1", Dir: "/data", FS: p.disk, Destinations: []deliver.Destination{out(sink)},
		})
		if err == nil || !strings.Contains(err.Error(), "cannot be opened") {
			t.Errorf("opened: %v", err)
		}
	})
}

func TestEveryByteOfACursorIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sink := halfway(t)
		whole := bytes.Clone(p.content(t, cursorFile))
		for i := range whole {
			for _, change := range []func([]byte) []byte{
				func(b []byte) []byte { b[i] ^= 0x01; return b },
				func(b []byte) []byte { return b[:i] },
				func(b []byte) []byte { b[i] = 0; return b },
			} {
				p.disk.Put(cursorFile, change(bytes.Clone(whole)))
				before := len(p.log.lines("cursor is damaged"))
				e, err := deliver.Open(t.Context(), p.options(deliver.Options{Destinations: []deliver.Destination{out(sink)}}))
				if err != nil && !strings.Contains(err.Error(), "newer version") {
					t.Fatalf("byte %d: %v", i, err)
				}
				if err == nil {
					if len(p.log.lines("cursor is damaged")) == before {
						t.Fatalf("byte %d was changed and the cursor used", i)
					}
					_ = e.Close(t.Context())
				}
			}
		}
	})
}

func TestTheStoreForgetsNothingThatACursorOnDiskHasNotFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		p.add("a", 10)
		r := p.start(t, out(sink))
		settle(2 * time.Second)
		full := syscall.ENOSPC
		p.disk.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.Write {
				return full
			}
			return nil
		})
		p.add("b", 10)
		settle(time.Minute)
		r.wants(deliver.Counts{Delivered: 20}, 0) // delivery goes on
		if held, _ := p.store.Held("out"); held != 10 {
			t.Errorf("held at %d", held)
		}
		if lines := p.log.lines("cursor cannot be written"); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		p.disk.Fail(nil)
		settle(2 * time.Second)
		if held, _ := p.store.Held("out"); held != 20 {
			t.Errorf("held at %d after the disk is mended", held)
		}
		r.stop()
	})
}

func TestANewDestinationDeliversNothingBeforeItsCursorIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		p.disk.Fail(func(op waltest.Operation) error {
			if op.Kind == waltest.Sync {
				return syscall.EIO
			}
			return nil
		})
		d := out(sink)
		d.From = deliver.From{Now: true}
		r := p.start(t, d)
		p.add("a", 5)
		settle(time.Minute)
		if n := len(sink.Writes()); n != 0 {
			t.Errorf("%d writes", n)
		}
		p.disk.Fail(nil)
		settle(10 * time.Second)
		r.wants(deliver.Counts{Delivered: 5}, 0)
		r.stop()
	})
}

func TestACursorIsWrittenSeldomAndNotAtAllAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		r := p.start(t, out(sink))
		settle(time.Second)
		writes := func() (n int) {
			for _, op := range p.disk.Log() {
				if op.Kind == waltest.Create {
					n++
				}
			}
			return n
		}
		before := writes()
		for range 1000 {
			p.add("a", 1)
			settle(10 * time.Millisecond)
		}
		if n := writes() - before; n < 20 || n > 10_000/200+2 {
			t.Errorf("%d times in 10 s", n)
		}
		settle(2 * time.Second)
		before = writes()
		settle(time.Hour)
		if n := writes() - before; n != 0 {
			t.Errorf("%d times in an hour without events", n)
		}
		r.stop()
	})
}

func TestTheCursorOfADestinationThatWantsNothingIsWrittenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		d := out(&delivertest.Sink{})
		d.Wants = func(*store.Record) bool { return false }
		r := p.start(t, d)
		settle(10 * time.Second)
		before := len(p.disk.Log())
		for range 1000 {
			p.add("a", 1)
			settle(10 * time.Millisecond)
		}
		if n := len(p.disk.Log()) - before; n > 3*6 { // calls for one
			t.Errorf("%d calls to the disk in 10 s", n)
		}
		r.wants(deliver.Counts{Filtered: 1000}, 0)
		r.stop()
		if held, _ := p.store.Held("out"); held != 1000 {
			t.Errorf("held at %d after the stop", held)
		}
	})
}

func TestWhatIsFinishedBehindAStuckEventIsNotDeliveredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		sink := &delivertest.Sink{}
		sink.Do(func(_ context.Context, events []daybook.Event) error {
			for _, e := range events {
				if e.ID == "a-3" {
					return delivertest.Refuse(delivertest.Coded(daybook.Unavailable), "a-3")
				}
			}
			return nil
		})
		p.add("a", 10)
		r := p.start(t, out(sink))
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 9}, 1)
		p.crash(r, waltest.Everything)
		if text := string(p.content(t, cursorFile)); !strings.Contains(text, `"ranges":[[5,10,6]]`) {
			t.Errorf("cursor %s", text)
		}
		sink.Do(nil)
		r = p.start(t, out(sink))
		settle(2 * time.Second)
		r.wants(deliver.Counts{Delivered: 10}, 0)
		each(t, sink, 1, 1, ids("a", 10)...)
		r.stop()
	})
}

func TestNamesOfDestinationsAreNamesOfFiles(t *testing.T) {
	for _, name := range []string{"", "a/b", "..", ".hidden", "ä", "a b", strings.Repeat("x", 65)} {
		_, err := deliver.Open(t.Context(), deliver.Options{
			Store: &delivertest.Store{}, Dir: t.TempDir(),
			Destinations: []deliver.Destination{{Name: name, Sink: &delivertest.Sink{}}},
		})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
