package journal

import (
	"math"
	"slices"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// loadKeys enters the keys of the sealed chunks into the index: from the key
// files, and from the chunk itself where there is no good one. First come those
// of chunks that are gone.
func (j *Journal) loadKeys(chunks []wal.Listed, now time.Time) error {
	cutoff := now.Add(-j.index.window).UnixNano()
	names, err := j.options.FS.Names(j.index.files.dir)
	if err != nil {
		return err
	}
	j.index.sealed.Store(&sealed{expected: j.index.files.expect(names, cutoff)})
	j.loadOrphans(names, chunks, cutoff)
	for i := range chunks {
		c := &chunks[i]
		if c.ID == j.index.chunk {
			continue // its keys are in memory, and its file is about to be written
		}
		if err := j.index.load(c.ID, cutoff); err != nil {
			j.options.Log.Warn("journal key file is made again", "chunk", c.ID, "err", err)
			j.rebuild(c)
		}
	}
	return nil
}

// loadOrphans enters the keys of chunks that were removed. A file that cannot be
// read is of no use to anybody: nothing is left to make it again from.
func (j *Journal) loadOrphans(names []string, chunks []wal.Listed, cutoff int64) {
	for _, name := range names {
		id, ok := wal.ParseName(name, keysSuffix)
		if !ok || slices.ContainsFunc(chunks, func(c wal.Listed) bool { return c.ID == id }) {
			continue
		}
		j.index.orphan(id)
		if err := j.index.load(id, cutoff); err != nil {
			j.options.Log.Error("journal key file of a removed chunk is damaged; copies of its events will not be recognised",
				"chunk", id, "err", err)
		}
	}
}

// expect is how many keys the named key files have within the window, and some
// to come: made for all of them one shelf does, and one look into memory for a
// key.
func (k keyFiles) expect(names []string, cutoff int64) (keys int) {
	for _, name := range names {
		id, ok := wal.ParseName(name, keysSuffix)
		if !ok {
			continue
		}
		// Only the header is read; who opens the file says what is wrong with it.
		if f, err := k.open(id, math.MaxInt64); err == nil && f.newest >= cutoff {
			keys += f.count
		}
	}
	return keys + keys/4
}

// load opens the key file of a chunk and puts it on a shelf, unless it is older
// than the cutoff.
func (x *index) load(chunk uint64, cutoff int64) error {
	next, files := *x.sealed.Load(), x.files
	files.shelve = func(f *keyFile) (shelf filter) {
		next, shelf = next.shelve(generation{chunk: chunk, newest: f.newest, keys: f})
		return shelf
	}
	_, err := files.open(chunk, cutoff)
	if err == nil {
		x.sealed.Store(&next)
	}
	return err // after one, a filter may have some bits too many
}

// rebuild makes the key file of a sealed chunk from its records. What cannot be
// read is logged and left out: copies of its events will not be recognised,
// which is better than a journal that does not open.
func (j *Journal) rebuild(c *wal.Listed) {
	keys, err := j.readKeys(c)
	if err != nil {
		j.options.Log.Error("journal chunk unreadable; copies of its events will not be recognised", "chunk", c.ID, "err", err)
		return
	}
	j.index.store(c.ID, keys)
}

func (j *Journal) readKeys(c *wal.Listed) (*keyset, error) {
	file, err := j.options.FS.Open(c.Name)
	if err != nil {
		return &keyset{}, err
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	scan.Damaged = func(d wal.Damage) { j.damage.record(c, d) }
	keys, _, err := collect(scan)
	return keys, err
}

// collect scans a chunk to its end and returns the keys of its records and how
// many events it was given.
func collect(scan *wal.Scanner) (keys *keyset, events uint64, err error) {
	keys = &keyset{}
	countsLost(scan, &events)
	for r, ok := scan.Next(); ok; r, ok = scan.Next() {
		keys.enter(r)
		if store.Kind(r.Kind) == store.KindEvent {
			events++
		}
	}
	return keys, events, scan.Err()
}
