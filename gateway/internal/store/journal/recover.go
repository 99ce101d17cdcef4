package journal

import (
	"crypto/rand"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// recover puts together what the last run left, begins a new chunk behind it,
// and returns the writer.
func (j *Journal) recover() (*writer, error) {
	o, dir := j.options, chunkDirectory(j.options.Dir)
	listed, err := wal.List(o.FS, dir)
	if err != nil {
		return nil, err
	}
	// Only now: what a newer version left behind is not ours to remove.
	if err := removeLeftovers(o.FS, dir); err != nil {
		return nil, err
	}
	w := &writer{journal: j, dir: dir, log: o.Log, header: lastHeader(listed), next: 1}
	j.clock = newCalm(o.Now, lastCreated(listed))
	now, _ := j.clock.bounds()
	j.index = newIndex(o, keyFiles{fs: o.FS, dir: dir, store: w.header.Store}, now)
	j.keeper = newKeeper(j)

	sealed := j.usable(listed)
	var empty string
	if n := len(sealed); n > 0 {
		last := &sealed[n-1]
		events, err := j.recoverLast(w, last)
		if err != nil {
			return nil, err
		}
		w.events = j.recount(sealed, events)
		if w.end.Chunk != last.ID {
			empty, sealed = last.Name, sealed[:n-1]
		}
	}
	w.next += unknown(listed)
	j.counts.open(store.Position(w.next - 1))
	if err := j.loadKeys(sealed); err != nil {
		return nil, err
	}
	if err := w.create(); err != nil {
		return nil, err
	}
	j.keeper.retention.complete = completion{begun: w.header.ID, seen: map[uint64]time.Time{}}
	j.view.Store(&view{sealed: sealed, active: w.listed(), events: w.events})
	if empty != "" {
		// Its successor is kept by now. Losing the removal does no harm.
		if err := o.FS.Remove(empty); err != nil {
			o.Log.Warn("empty journal chunk not removed", "file", empty, "err", err)
		}
	}
	return w, nil
}

// lastHeader returns what the header of the next chunk starts from: format,
// store and epoch of the newest readable one, and the highest id there is. A
// journal keeps its format until it is upgraded, so that the release before can
// still read what this one writes.
func lastHeader(listed []wal.Listed) wal.Header {
	h := wal.Header{Version: wal.Format, Epoch: 1}
	_, _ = rand.Read(h.Store[:]) // never fails
	for _, c := range listed {
		if c.Err == nil {
			h.Version, h.Store, h.Epoch = c.Version, c.Store, c.Epoch
		}
		h.ID = c.ID
	}
	return h
}

// lastCreated is when the newest chunk was made; zero: there is none.
func lastCreated(listed []wal.Listed) (last time.Time) {
	for _, c := range listed {
		if c.Err == nil {
			last = c.Created
		}
	}
	return last
}

// usable returns the chunks that can be read and names the others.
func (j *Journal) usable(listed []wal.Listed) []wal.Listed {
	var chunks []wal.Listed
	for _, c := range listed {
		if c.Err != nil {
			j.damage.header(c)
			j.keeper.retention.unreadable = append(j.keeper.retention.unreadable, c)
			continue
		}
		j.damage.flaws(&c)
		chunks = append(chunks, c)
	}
	return chunks
}

// unknown is how many sequences to leave out because chunks at the end of the
// list may have used them, with a header nobody can read any more.
func unknown(listed []wal.Listed) uint64 {
	var records uint64
	for i := len(listed) - 1; i >= 0 && listed[i].Err != nil; i-- {
		records += uint64(listed[i].Size) / uint64(wal.RecordSize(0))
	}
	return records
}

// recoverLast finds the end of the last chunk, its keys and how many events it
// was given, and sets w behind it. A chunk nothing was ever written to is passed over, so that restarts do
// not pile up empty files: w then stands where that chunk's header says its
// predecessor ends.
func (j *Journal) recoverLast(w *writer, c *wal.Listed) (events uint64, err error) {
	file, err := j.options.FS.Edit(c.Name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	scan.Damaged = func(d wal.Damage) { j.damage.record(c, d) }
	in, err := collect(scan)
	if err != nil {
		return 0, err
	}
	// A process that was killed leaves a last write that is not synced, and one
	// whose disk failed leaves one that only looks as if it were. Its records
	// are about to be shown to readers, and copies of them called duplicates.
	if err := wal.Rewrite(file, scan.LastWrite(), scan.End().Offset); err != nil {
		return 0, err
	}
	if scan.Torn() {
		j.damage.torn(c, scan.End())
	}
	w.end, w.next = scan.End(), scan.End().Sequence+1
	w.end.Newest = in.newest
	if w.end.Offset == wal.DataStart && !scan.Torn() {
		w.end = c.Prev
		return 0, nil
	}
	c.End = w.end
	j.index.active, j.index.chunk = in.keys, c.ID
	return in.events, nil
}
