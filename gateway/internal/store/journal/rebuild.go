package journal

import (
	"errors"
	"io/fs"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// loadKeys enters the keys of the sealed chunks into the index: from the key
// files, also those of chunks that are no longer kept, and from the chunks
// themselves where there is no good key file.
func (j *Journal) loadKeys(sealed []wal.Listed) error {
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
		switch {
		case err == nil && file.newest < cutoff:
		case err == nil:
			j.index.replace(generation{chunk: c.ID, newest: file.newest, keys: file})
		case errors.Is(err, errKeyFile), errors.Is(err, fs.ErrNotExist):
			j.options.Log.Warn("journal key file is made again", "chunk", c.ID, "err", err)
			if err := j.rebuild(c); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

// rebuild makes the key file of a sealed chunk from its records.
func (j *Journal) rebuild(c *wal.Listed) error {
	file, err := j.options.FS.Open(c.Name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	scan := wal.Scan(file, *c)
	scan.Damaged = func(d wal.Damage) { j.damage.record(c, d) }
	keys, err := collect(scan)
	if err != nil {
		return err
	}
	g := generation{chunk: c.ID, newest: keys.newest, keys: keys}
	written, err := j.index.files.write(c.ID, keys)
	if err != nil {
		j.options.Log.Warn("journal key file not written", "chunk", c.ID, "err", err)
	} else {
		g.keys = written
	}
	j.index.replace(g)
	return nil
}

// collect scans a chunk to its end and returns the keys of its records.
func collect(scan *wal.Scanner) (*keyset, error) {
	keys := &keyset{}
	for {
		r, ok := scan.Next()
		if !ok {
			return keys, scan.Err()
		}
		id, err := store.ParseIdentity(store.Kind(r.Kind), r.Payload)
		if err != nil || !id.Unique {
			continue // a payload nobody can read is named by whoever reads it
		}
		if _, known, _ := keys.find(id.Key); !known {
			e := entry{key: id.Key, digest: shortDigest(id.Digest), sequence: r.Sequence}
			keys.add(e, nanoseconds(id.Received))
		}
	}
}
