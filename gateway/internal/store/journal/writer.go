package journal

import (
	"log/slog"
	"path/filepath"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A writer commits groups. Only the goroutine of run uses it.
type writer struct {
	journal *Journal
	dir     string // of the chunks
	log     *slog.Logger

	// chunk is the active chunk: every byte of it up to end is synced. Nil
	// after a failure, until the chunk that fixes end is on disk; the failed
	// file is never written to again.
	chunk *wal.Chunk
	end   wal.End
	next  uint64 // sequence of the next record

	events uint64 // stored in all, up to end

	header wal.Header // of the chunk made last; the next one takes its place
	nudged bool       // the keeper was told that this chunk will need a next one
	served int        // appends answered from this chunk
	buffer []byte     // the records of one group, framed
}

// commit decides, writes and syncs one group and answers everybody in it.
func (w *writer) commit(group []*batch) {
	w.journal.stall.begin()
	defer w.journal.stall.end()
	if err := w.prepare(group); err != nil {
		answer(group, writeFailure(err))
		return
	}
	w.served += len(group)
	mark := w.journal.index.begin()
	next, newest := w.frame(group)
	w.journal.index.decided()
	if err := w.write(group, next, newest); err != nil {
		w.journal.index.rollback(mark)
		w.fail(group, err)
	}
	answer(group, nil)
}

func answer(group []*batch, err error) {
	for _, b := range group {
		b.decided <- err
	}
}

// prepare makes sure that there is a chunk to write the group to.
func (w *writer) prepare(group []*batch) error {
	if w.chunk == nil {
		return w.roll()
	}
	size := w.chunk.Size()
	for _, b := range group {
		size += int64(b.size())
	}
	full := size > w.journal.options.ChunkBytes && w.chunk.Size() > wal.DataStart
	if full || w.cramped() {
		return w.roll()
	}
	return nil
}

// cramped reports whether the active chunk has to grow as it is written while
// there is room, where syncs are quicker.
func (w *writer) cramped() bool { return w.nudged && !w.chunk.Roomy() && w.journal.room.ready() }

// frame decides about every record of the group and frames those that are
// stored. It returns the sequence behind the last one, and when the newest of
// them was received.
func (w *writer) frame(group []*batch) (next uint64, newest int64) {
	w.buffer, next = w.buffer[:0], w.next
	for _, b := range group {
		start := 0
		for i := range b.items {
			it := &b.items[i]
			payload := b.payloads[start:it.end]
			start = it.end
			it.entry.sequence = next
			if !w.decide(it, b.looked, &b.receipts[i]) {
				continue
			}
			record := wal.Record{Sequence: next, Kind: uint8(it.kind), Payload: payload}
			w.buffer = w.chunk.AppendRecord(w.buffer, record, it.check)
			next++
			newest = max(newest, it.time)
			if it.kind == store.KindEvent {
				b.runs[it.run].events++
			}
		}
	}
	return next, newest
}

// decide fills in the receipt of one record and reports whether the record is
// to be stored.
func (w *writer) decide(it *item, looked uint64, r *store.Receipt) bool {
	if it.unique {
		if first, by, known := w.journal.index.claim(it, looked); known {
			r.Status, r.Position = daybook.Duplicate, store.Position(first.sequence)
			if first.digest != it.entry.digest {
				r.Status, r.Err = daybook.Refused, conflict(by)
			}
			return false
		}
	}
	r.Status, r.Position = daybook.Stored, store.Position(it.entry.sequence)
	return true
}

// write writes and syncs the framed records of a group, whose sequences end
// before next, and shows them to readers. Nil means that they are kept.
func (w *writer) write(group []*batch, next uint64, newest int64) error {
	if next == w.next {
		return nil // duplicates only, and their first copies are synced
	}
	if err := w.chunk.Write(w.buffer); err != nil {
		return err
	}
	if cap(w.buffer) > 2*maxGroup {
		w.buffer = nil
	}
	started := time.Now()
	if err := w.chunk.Sync(); err != nil {
		return err
	}
	o := w.journal.options.Observe
	o.Sync(time.Since(started))
	o.Group(int(next - w.next))

	w.next = next
	w.end = wal.End{Chunk: w.chunk.ID, Offset: w.chunk.Size(), Sequence: next - 1, Newest: max(w.end.Newest, newest)}
	w.journal.health.committed()
	w.events += w.journal.counts.add(group, store.Position(next-1))
	w.journal.publish(func(v *view) *view { return v.with(w.end, w.events) })
	if !w.nudged && w.end.Offset >= w.journal.options.ChunkBytes/roomShare {
		w.nudged = true
		w.journal.room.wanted.Store(w.end.Offset < int64(w.served)*largeAppend)
		w.journal.keeper.nudge()
	}
	return nil
}

// fail gives up the active chunk after a failed write or sync: nobody knows
// what is on the disk behind its end. The next chunk is made right away, before
// the group is answered, so that what is answered as failed stays failed even
// when the process is killed now.
func (w *writer) fail(group []*batch, cause error) {
	w.log.Error("journal write failed", "chunk", w.chunk.ID, "offset", w.end.Offset, "err", cause)
	err := writeFailure(cause)
	w.journal.health.failed(err)
	for _, b := range group {
		b.fail(store.Position(w.next), err)
	}
	if err := w.roll(); err == nil {
		w.log.Info("journal continues in a new chunk", "chunk", w.chunk.ID)
	}
}

// roll goes on to the next chunk.
func (w *writer) roll() error {
	if err := w.create(); err != nil {
		w.journal.health.failed(writeFailure(err))
		return err
	}
	w.journal.health.committed() // its header is synced: the disk takes writes
	w.journal.publish(func(v *view) *view { return v.follow(w.listed()) })
	w.journal.keeper.nudge()
	return nil
}

// create makes the next chunk, whose header fixes the end of the one before.
// Whether it succeeds or not, the active chunk is not written to again: the file
// may exist even after an error, and then its header says where that one ends.
func (w *writer) create() error {
	w.drop()
	h := w.header
	h.ID++ // also after a failure: a chunk of that id may exist
	h.First = w.next
	h.Prev = w.end
	h.Created = w.journal.clock.now() // not a time that is wrong for a minute
	h.Tally = tally(w.events)
	h.Salt = newSalt()
	w.header = h

	chunk, err := w.createChunk(h)
	if err != nil {
		return err
	}
	keys := w.expectKeys()
	w.chunk, w.nudged, w.served = chunk, false, 0
	w.journal.room.wanted.Store(false) // until this chunk has shown how it is used
	w.end = wal.End{Chunk: h.ID, Offset: wal.DataStart, Sequence: h.First - 1}
	w.journal.index.next(h.ID, keys)
	return nil
}

// expectKeys is how many keys the next chunk will have, if it is filled as the
// last one was. A gateway with little to do needs no memory in advance.
func (w *writer) expectKeys() int {
	if !w.nudged {
		return 0
	}
	return int(w.journal.index.claimed.Load() * w.journal.options.ChunkBytes / w.end.Offset)
}

func (w *writer) createChunk(h wal.Header) (*wal.Chunk, error) {
	if room := w.journal.room.take(); room != nil {
		return room.Create(w.journal.options.FS, h)
	}
	return wal.Create(w.journal.options.FS, w.dir, h)
}

// listed is the active chunk as views have it.
func (w *writer) listed() wal.Listed {
	name := filepath.Join(w.dir, wal.ChunkName(w.header.ID))
	return wal.Listed{Header: w.header, Name: name, Size: w.chunk.Taken(), End: w.end}
}

// finish seals the active chunk, so that damage to its end is not taken for an
// unfinished write. Where that fails, it is as if the process had been killed.
func (w *writer) finish() {
	if w.chunk == nil || w.end.Offset > wal.DataStart {
		if err := w.roll(); err != nil {
			w.log.Warn("journal stopped without sealing its last chunk", "err", err)
		}
	}
	w.drop()
}

// drop closes the active chunk. Its synced records stay, and readers have their
// own descriptors.
func (w *writer) drop() {
	if w.chunk == nil {
		return
	}
	if err := w.chunk.Close(); err != nil {
		w.log.Warn("journal chunk not closed", "chunk", w.chunk.ID, "err", err)
	}
	w.chunk = nil
}
