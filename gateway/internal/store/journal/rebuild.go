package journal

import (
	"slices"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// loadKeys enters the keys of the sealed chunks into the index, oldest first: from
// the key files, and from the chunk itself where there is no good one. Key files
// of chunks that are gone are among them.
func (j *Journal) loadKeys(chunks []wal.Listed) error {
	x := j.index
	names, err := j.options.FS.Names(x.files.dir)
	if err != nil {
		return err
	}
	kept := map[uint64]*wal.Listed{}
	var ids []uint64
	for i := range chunks {
		kept[chunks[i].ID] = &chunks[i]
		ids = append(ids, chunks[i].ID)
	}
	for _, name := range names {
		if id, ok := wal.ParseName(name, keysSuffix); ok && kept[id] == nil {
			x.orphan(id)
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	heads := x.heads(ids)
	_, plausible := j.clock.bounds()
	date(heads, plausible.UnixNano(), x.clock.now())
	x.sealed.Store(&sealed{expected: expected(heads, x.cutoff())})
	for i := range heads {
		if h := &heads[i]; h.chunk != x.chunk { // the keys of that one are in memory, and its file is about to be written
			j.loadChunk(h, kept[h.chunk])
		}
	}
	return nil
}

// loadChunk enters the keys of one chunk; c is nil when the chunk is gone. Then a
// key file that cannot be read is of no use to anybody: nothing is left to make
// it again from.
func (j *Journal) loadChunk(h *keyHead, c *wal.Listed) {
	err := j.index.load(h)
	switch {
	case err == nil:
	case c == nil:
		j.options.Log.Error("journal key file of a removed chunk is damaged; copies of its events will not be recognised",
			"chunk", h.chunk, "err", err)
	default:
		j.options.Log.Warn("journal key file is made again", "chunk", h.chunk, "err", err)
		j.rebuild(c, h.sealed)
	}
}

// expected is how many keys there are within the window, and some to come: made
// for all of them one shelf does, and one look into memory for a key.
func expected(heads []keyHead, cutoff int64) (keys int) {
	for i := range heads {
		if h := &heads[i]; h.err == nil && h.sealed >= cutoff {
			keys += h.file.count
		}
	}
	return keys + keys/4
}

// load opens the key file of a chunk and puts it on a shelf, unless it is older
// than the window.
func (x *index) load(h *keyHead) error {
	if h.err != nil || h.sealed < x.cutoff() {
		return h.err
	}
	next, files := *x.sealed.Load(), x.files
	files.shelve = func(f *keyFile) (shelf filter) {
		next, shelf = next.shelve(generation{chunk: h.chunk, sealed: h.sealed, keys: f})
		return shelf
	}
	_, err := files.open(h.chunk)
	if err == nil {
		x.sealed.Store(&next)
	}
	return err // after one, a filter may have some bits too many
}

// rebuild makes the key file of a sealed chunk from its records. What cannot be
// read is logged and left out: copies of its events will not be recognised,
// which is better than a journal that does not open.
func (j *Journal) rebuild(c *wal.Listed, sealed int64) {
	keys, err := j.readKeys(c)
	if err != nil {
		j.options.Log.Error("journal chunk unreadable; copies of its events will not be recognised", "chunk", c.ID, "err", err)
		return
	}
	j.index.store(fullSet{chunk: c.ID, keys: keys, sealed: sealed})
}

func (j *Journal) readKeys(c *wal.Listed) (*keyset, error) {
	file, err := j.options.FS.Open(c.Name)
	if err != nil {
		return &keyset{}, err
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	scan.Damaged = func(d wal.Damage) { j.damage.record(c, d) }
	in, err := collect(scan)
	return in.keys, err
}

// A content is what a start has to know of a chunk's records.
type content struct {
	keys   *keyset
	events uint64 // that the chunk was given
	newest int64  // received; 0 = not known
}

// collect scans a chunk to its end.
func collect(scan *wal.Scanner) (content, error) {
	c := content{keys: &keyset{}}
	countsLost(scan, &c.events)
	for r, ok := scan.Next(); ok; r, ok = scan.Next() {
		if store.Kind(r.Kind) == store.KindEvent {
			c.events++
		}
		c.newest = max(c.newest, c.keys.enter(r))
	}
	return c, scan.Err()
}
