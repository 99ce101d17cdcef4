package wal

import "errors"

// rewriteStep is how much is written again at once.
const rewriteStep = 1 << 20

// Rewrite writes what stands between two offsets once more, and syncs it. After
// a sync that failed, reads may still see what the disk never got, and another
// sync has nothing to do: the system takes the pages for kept. Writing them
// makes it try again. Where they were kept, the same bytes replace each other.
func Rewrite(file File, from, to int64) error {
	b := make([]byte, min(rewriteStep, to-from))
	for offset := from; offset < to; offset += rewriteStep {
		piece := b[:min(rewriteStep, to-offset)]
		if n, err := file.ReadAt(piece, offset); n < len(piece) {
			return errors.Join(errShort, err)
		}
		if _, err := file.WriteAt(piece, offset); err != nil {
			return err
		}
	}
	return file.Sync()
}

var errShort = errors.New("the file has become shorter")
