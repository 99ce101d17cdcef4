package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"daybook.dev/internal/wal"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight

	// maxLevels is how many files a tree of any size has at most.
	maxLevels = 64 / tileHeight
)

// levelName is the file with the hashes of the complete subtrees of height
// 8 × level, 32 bytes each, in order: level-0 has the leaves. It is what tlog
// calls the tiles of one level, one behind the other.
func levelName(dir string, level int) string {
	return filepath.Join(dir, fmt.Sprintf("level-%d", level))
}

// count is how many hashes a level of a tree of size leaves has.
func count(size int64, level int) int64 { return size >> (tileHeight * level) }

// hashes reads the nodes of a tree from the level files. It implements
// tlog.HashReader.
type hashes struct{ dir string }

// ReadHashes implements tlog.HashReader.
func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		// The node is the root over some hashes of the level file below it.
		below := level % tileHeight
		tile, err := h.read(level/tileHeight, n<<below, 1<<below)
		if err != nil {
			return nil, err
		}
		found[i] = fold(tile)
	}
	return found, nil
}

// read returns n hashes of a level from the one at number at.
func (h hashes) read(level int, at, n int64) ([]tlog.Hash, error) {
	file, err := os.Open(levelName(h.dir, level))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readHashes(io.NewSectionReader(file, at*tlog.HashSize, n*tlog.HashSize), n)
}

func readHashes(r io.Reader, n int64) ([]tlog.Hash, error) {
	b := make([]byte, n*tlog.HashSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("hashes are missing: %w", err)
	}
	list := make([]tlog.Hash, n)
	for i := range list {
		list[i] = tlog.Hash(b[i*tlog.HashSize:])
	}
	return list, nil
}

// fold returns the root over hashes, a power of two of them.
func fold(nodes []tlog.Hash) tlog.Hash {
	level := append([]tlog.Hash{}, nodes...)
	for ; len(level) > 1; level = level[:len(level)/2] {
		for i := range len(level) / 2 {
			level[i] = tlog.NodeHash(level[2*i], level[2*i+1])
		}
	}
	return level[0]
}

// A tree is a Merkle tree that grows.
type tree struct {
	hashes
	size   int64
	levels [maxLevels]level
}

// A level is what a tree knows of one level file.
type level struct {
	file *os.File    // nil until something is written
	tile []tlog.Hash // the last hashes, which make no complete tile yet
	todo []byte      // not written yet
	at   int64       // where todo belongs
}

// openTree opens the tree of a size in dir. What the files hold beyond it was
// never vouched for and is written again.
func openTree(dir string, size int64) (*tree, error) {
	t := &tree{hashes: hashes{dir}, size: size}
	for i := range t.levels {
		n := count(size, i)
		rest := n % tileWidth
		t.levels[i].at = n * tlog.HashSize
		if rest == 0 {
			continue
		}
		tile, err := t.read(i, n-rest, rest)
		if err != nil {
			return nil, err
		}
		t.levels[i].tile = tile
	}
	return t, nil
}

// add adds a leaf.
func (t *tree) add(h tlog.Hash) {
	t.size++
	for i := range t.levels {
		l := &t.levels[i]
		l.tile, l.todo = append(l.tile, h), append(l.todo, h[:]...)
		if len(l.tile) < tileWidth {
			return
		}
		h, l.tile = fold(l.tile), l.tile[:0]
	}
}

// sync writes what was added. Nil means that it is kept.
func (t *tree) sync() error {
	for i := range t.levels {
		if err := t.write(i); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(levelName(t.dir, i)), err)
		}
	}
	return nil
}

func (t *tree) write(i int) error {
	l := &t.levels[i]
	if len(l.todo) == 0 {
		return nil
	}
	if l.file == nil {
		file, err := os.OpenFile(levelName(t.dir, i), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		l.file = file
		// The name has to be kept before a checkpoint counts on it.
		if err := (wal.OS{}).SyncDir(t.dir); err != nil {
			return err
		}
	}
	if _, err := l.file.WriteAt(l.todo, l.at); err != nil {
		return err
	}
	l.at += int64(len(l.todo))
	l.todo = l.todo[:0]
	return l.file.Sync()
}

// root returns the root of what was written.
func (t *tree) root() (tlog.Hash, error) {
	if t.size == 0 {
		return tlog.Hash{}, errors.New("a tree without leaves has no root")
	}
	return tlog.TreeHash(t.size, t.hashes)
}

func (t *tree) close() {
	for i := range t.levels {
		if file := t.levels[i].file; file != nil {
			_ = file.Close()
		}
	}
}
