package journal

// A keyHead is what the header of a chunk's key file says.
type keyHead struct {
	chunk  uint64
	file   *keyFile // without keys; nil when it cannot be read
	err    error    // why it cannot
	sealed int64    // when its newest key was received, at the latest: see date
}

// heads reads the headers of the key files of some chunks.
func (x *index) heads(chunks []uint64) []keyHead {
	heads := make([]keyHead, len(chunks))
	for i, id := range chunks {
		f, err := x.files.head(id)
		heads[i] = keyHead{chunk: id, file: f, err: err}
	}
	return heads
}

// date finds out how old keys are. Their files say when they were received, by a
// clock that may have been wrong then, as it may be now; and it is better to
// remember keys for too long. But chunks stand in the order in which they were
// written. So what says a time later than all chunks before it is taken at its
// word, unless that is later than plausible. All others were received before the
// next one that is, or before now.
func date(heads []keyHead, plausible, now int64) {
	latest := int64(0)
	for i := range heads {
		h := &heads[i]
		if h.err != nil {
			continue
		}
		if h.file.newest > latest && h.file.newest <= plausible {
			latest = h.file.newest
			h.sealed = min(latest, now)
		}
		// Where the clock jumped ahead within a chunk, the first of its keys says
		// how late it was before.
		if h.file.oldest <= plausible {
			latest = max(latest, h.file.oldest)
		}
	}
	before := now
	for i := len(heads) - 1; i >= 0; i-- {
		h := &heads[i]
		if h.sealed == 0 {
			h.sealed = before
		}
		before = h.sealed
	}
}
