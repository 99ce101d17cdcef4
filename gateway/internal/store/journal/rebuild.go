package journal

import "daybook.dev/internal/wal"

// loadKeys enters the keys of the sealed chunks into the index: from the key
// files, and from the chunk itself where there is no good one.
func (j *Journal) loadKeys(sealed []wal.Listed) {
	cutoff := j.index.oldest()
	for i := range sealed {
		c := &sealed[i]
		if c.ID == j.index.chunk {
			continue // its keys are in memory, and its file is about to be written
		}
		// Records of a chunk were received before the next chunk was made.
		if i+1 < len(sealed) && sealed[i+1].Created.UnixNano() < cutoff {
			continue
		}
		file, err := j.index.files.open(c.ID, cutoff)
		if err != nil {
			j.options.Log.Warn("journal key file is made again", "chunk", c.ID, "err", err)
			j.rebuild(c)
			continue
		}
		if file.newest >= cutoff {
			j.index.replace(generation{chunk: c.ID, newest: file.newest, keys: file})
		}
	}
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
	return collect(scan)
}

// collect scans a chunk to its end and returns the keys of its records.
func collect(scan *wal.Scanner) (*keyset, error) {
	keys := &keyset{}
	for {
		r, ok := scan.Next()
		if !ok {
			return keys, scan.Err()
		}
		keys.enter(r)
	}
}
