package journal

import (
	"time"

	"daybook.dev/internal/wal"
)

// maxRewrite is how many bytes of records are gathered before they are written.
const maxRewrite = 1 << 20

// A rewriter writes records into new chunks with the sequences they had. Where
// sequences are missing it begins a chunk, whose header then says which: what
// is gone is stated, and is no damage of the copy.
type rewriter struct {
	fs     wal.FS
	files  keyFiles
	header wal.Header // of the chunk made last; the next one takes its place

	chunk  *wal.Chunk // nil: none yet
	end    wal.End    // of the chunk before
	next   uint64     // sequence behind the last record; zero: none yet
	newest time.Time  // received, over all records so far
	latest int64      // likewise, over those of the chunk
	tally  uint64     // what a header made now says of the events before it
	keys   *keyset
	buffer []byte
}

// begin begins a chunk in the place of the source chunk c.
func (w *rewriter) begin(c *wal.Listed) error {
	first := max(w.next, c.First)
	return w.roll(first, c.Epoch, c.Created)
}

// add writes one record.
func (w *rewriter) add(r wal.Record, received time.Time) error {
	if r.Sequence != w.next {
		// Records of a chunk were received before the next one was made.
		created := w.header.Created
		if w.newest.After(created) {
			created = w.newest
		}
		if err := w.roll(r.Sequence, w.header.Epoch, created); err != nil {
			return err
		}
	}
	w.buffer = w.chunk.AppendRecord(w.buffer, r, wal.Checksum(r.Payload))
	w.next = r.Sequence + 1
	w.keys.enter(r)
	if received.After(w.newest) {
		w.newest = received
	}
	w.latest = max(w.latest, nanoseconds(received))
	if len(w.buffer) >= maxRewrite {
		return w.flush()
	}
	return nil
}

func (w *rewriter) flush() error {
	err := w.chunk.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

// roll completes the chunk and begins the next one with the sequence first.
func (w *rewriter) roll(first, epoch uint64, created time.Time) error {
	if err := w.complete(); err != nil {
		return err
	}
	h := &w.header
	h.ID++
	h.Epoch, h.First, h.Prev, h.Created, h.Salt = epoch, first, w.end, created, newSalt()
	h.Tally = w.tally
	chunk, err := wal.Create(w.fs, w.files.dir, *h)
	if err != nil {
		return err
	}
	w.chunk, w.next, w.keys, w.latest = chunk, first, &keyset{}, 0
	return nil
}

// complete syncs the chunk and makes its key file.
func (w *rewriter) complete() error {
	if w.chunk == nil {
		return nil
	}
	defer w.drop()
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.chunk.Sync(); err != nil {
		return err
	}
	// Sequences within a chunk have no gaps, so the last record is the one
	// before next, or before the first one where there is none.
	w.end = wal.End{Chunk: w.chunk.ID, Offset: w.chunk.Size(), Sequence: w.next - 1, Newest: w.latest}
	_, err := w.files.write(w.chunk.ID, w.keys)
	return err
}

// drop closes the chunk. What is kept of it was synced before.
func (w *rewriter) drop() {
	if w.chunk != nil {
		_ = w.chunk.Close()
		w.chunk = nil
	}
}

// finish begins the life of the copy behind the sequences the source may have
// used: see nextLife.
func (w *rewriter) finish(first uint64, now time.Time) error {
	if err := w.complete(); err != nil {
		return err
	}
	w.header.Tally = w.tally
	return createEmpty(w.fs, w.files.dir, nextLife(w.header, w.end, max(first, w.next, 1), now))
}

// nextLife is the header of the empty chunk that a copy of a journal ends with.
// From there on the copy is a journal of its own, and its original may go on
// too: the epoch keeps the positions of the two apart.
func nextLife(last wal.Header, end wal.End, first uint64, now time.Time) wal.Header {
	h := last
	h.Epoch++
	h.ID++
	h.First, h.Prev, h.Created, h.Salt = first, end, now, newSalt()
	return h
}

func createEmpty(fs wal.FS, dir string, h wal.Header) error {
	chunk, err := wal.Create(fs, dir, h)
	if err != nil {
		return err
	}
	return chunk.Close()
}
