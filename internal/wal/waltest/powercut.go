package waltest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Keep is what of the unsynced survives when a machine stops.
type Keep int

// What survives. Everything is what the end of a process leaves, and it is
// still not synced; the others are power cuts, of which Pages and Sectors leave
// a random choice of the pieces of that many bytes, and of the changes of names.
const (
	Nothing    Keep = 0
	Everything Keep = -1
	Pages      Keep = 4096
	Sectors    Keep = 512
)

// Restart returns what is found when the machine, or for Everything the
// process, is started again. Calls to d fail from now on.
func (d *Disk) Restart(keep Keep) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	next := NewDisk(d.chance.Uint64())
	next.limit = d.limit
	clones := map[*node]*node{}
	if keep == Everything {
		clone := func(n *node) *node { return cloned(clones, n, (*node).clone) }
		next.names, next.kept = each(inOrder(d.names), clone), each(inOrder(d.kept), clone)
		for _, c := range d.changes {
			if c.file != nil {
				c.file = clone(c.file)
			}
			next.changes = append(next.changes, c)
		}
		return next
	}
	names := maps.Clone(d.kept)
	share := d.chance.Float64()
	for _, c := range d.changes {
		if keep != Nothing && d.chance.Float64() < share {
			c.apply(names)
		}
	}
	dropOrphans(names)
	next.names = each(inOrder(names), func(n *node) *node {
		return cloned(clones, n, func(n *node) *node {
			data := d.survivors(n, keep)
			return &node{dir: n.dir, data: data, kept: slices.Clone(data)}
		})
	})
	next.kept = maps.Clone(next.names)
	return next
}

// survivors returns the content of n after a power cut. Every piece is as one
// of the writes to it left it, or as it was kept; so is the size. Pieces that
// did not survive are zero.
func (d *Disk) survivors(n *node, keep Keep) []byte {
	data := slices.Clone(n.kept)
	if keep == Nothing || len(n.writes) == 0 {
		return data
	}
	size, share := int64(len(n.kept)), d.chance.Float64()
	versions := map[int64][]write{}
	for _, w := range n.writes {
		for from, end := w.offset, w.offset+int64(len(w.bytes)); from < end; {
			piece := from / int64(keep)
			to := min(end, (piece+1)*int64(keep))
			versions[piece] = append(versions[piece], write{offset: from, bytes: w.bytes[from-w.offset : to-w.offset]})
			from = to
		}
		if d.chance.Float64() < share {
			size = max(size, w.offset+int64(len(w.bytes)))
		}
	}
	for _, piece := range slices.Sorted(maps.Keys(versions)) {
		if d.chance.Float64() >= share {
			continue
		}
		written := versions[piece]
		for _, w := range written[:1+d.chance.IntN(len(written))] {
			data = overlay(data, w.bytes, w.offset)
		}
	}
	if size > int64(len(data)) {
		return overlay(data, nil, size)
	}
	return data[:size]
}

// dropOrphans removes what is in directories that are not there.
func dropOrphans(names map[string]*node) {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if parent := names[filepath.Dir(name)]; parent == nil || !parent.dir {
			delete(names, name)
		}
	}
}

func (n *node) clone() *node {
	return &node{dir: n.dir, data: slices.Clone(n.data), kept: slices.Clone(n.kept), writes: slices.Clone(n.writes)}
}

// cloned returns the one clone of n, also where n has two names.
func cloned(clones map[*node]*node, n *node, clone func(*node) *node) *node {
	if clones[n] == nil {
		clones[n] = clone(n)
	}
	return clones[n]
}

// A named is a file with its name.
type named struct {
	name string
	file *node
}

// inOrder returns names in order, so that one seed means one outcome.
func inOrder(names map[string]*node) []named {
	var list []named
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, named{name, names[name]})
	}
	return list
}

// each returns the names with what f makes of their files.
func each(list []named, f func(*node) *node) map[string]*node {
	names := make(map[string]*node, len(list))
	for _, n := range list {
		names[n.name] = f(n.file)
	}
	return names
}

// CopyTo writes all files into dir, a directory of the operating system.
func (d *Disk) CopyTo(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range inOrder(d.names) {
		name := filepath.Join(dir, n.name)
		if n.file.dir {
			if err := os.MkdirAll(name, 0o700); err != nil {
				return err
			}
		} else if err := os.WriteFile(name, n.file.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
