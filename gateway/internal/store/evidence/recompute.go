package evidence

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

var errRoot = errors.New("the hashes in the files do not give the root that was signed")

// recompute compares every hash in the files with what the leaves give, and the
// root with the signed one.
func recompute(dir string, signed Checkpoint) error {
	leaves, err := openLevel(dir, 0)
	if err != nil {
		return err
	}
	defer leaves.close()
	r := &recomputation{tree: tree{hashes: hashes{dir}}}
	defer r.close()
	for range signed.Size {
		h, err := leaves.next()
		if err != nil {
			return err
		}
		r.tree.add(h)
		if err := r.compare(); err != nil {
			return err
		}
	}
	root, err := r.tree.root()
	if err == nil && root != signed.Root {
		err = errRoot
	}
	return err
}

// A recomputation is a tree that is compared with its files, not written to
// them.
type recomputation struct {
	tree   tree
	stored [maxLevels]*levelReader // level 0 is where the leaves come from; nil = not opened yet
}

// compare compares what the last leaf has completed.
func (r *recomputation) compare() error {
	for i := range r.tree.levels {
		l := &r.tree.levels[i]
		if len(l.todo) == 0 {
			return nil
		}
		computed := tlog.Hash(l.todo)
		l.todo = l.todo[:0]
		if i == 0 {
			continue
		}
		stored, err := r.next(i)
		if err != nil {
			return err
		}
		if stored != computed {
			return fmt.Errorf("%s: a hash is not that of the leaves below it", filepath.Base(levelName(r.tree.dir, i)))
		}
	}
	return nil
}

func (r *recomputation) next(level int) (tlog.Hash, error) {
	if r.stored[level] == nil {
		opened, err := openLevel(r.tree.dir, level)
		if err != nil {
			return tlog.Hash{}, err
		}
		r.stored[level] = opened
	}
	return r.stored[level].next()
}

func (r *recomputation) close() {
	for _, l := range r.stored {
		l.close()
	}
}
