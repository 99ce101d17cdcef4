package waltest

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"daybook.dev/internal/wal"
)

// ErrPowerCut is what every call to a Disk returns once its power is cut.
var ErrPowerCut = errors.New("power cut")

// A Disk is a file system in memory that forgets what was not synced when its
// power is cut. It is as strict as the rules allow: a synced file whose name
// was not synced has no name, bytes survive page by page in any order, and a
// failed sync loses what it should have kept, for good, while reads still see
// it. What docs/journal-format.md assumes of a disk holds, and no more.
//
// It logs every operation, can be told to fail any of them, and can be cut off
// after the n-th. It is safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	chance *rand.Rand // guarded by mu, like everything below
	log    []Operation
	cutAt  int  // operations after which the power is cut; 0 = never
	cut    bool // the power is cut
	fault  func(Operation) error
	limit  int64 // bytes there is room for; 0 = any number

	names   map[string]*node // as calls see them
	kept    map[string]*node // as a power cut leaves them
	changes []change         // from kept to names, in order
	locks   map[string]string
	opened  int // descriptors given out so far
}

// A change is one operation on names. It survives a power cut as a whole or
// not at all.
type change struct {
	dir  string // whose sync keeps it
	from string // loses its file; "" = none does
	to   string // gets file; "" = none does
	file *node
}

// NewDisk returns an empty disk. The seed decides what survives.
func NewDisk(seed uint64) *Disk {
	root := &node{dir: true}
	return &Disk{
		chance: rand.New(rand.NewPCG(seed, 0)),
		names:  map[string]*node{"/": root}, kept: map[string]*node{"/": root}, locks: map[string]string{},
	}
}

// CutAfter cuts the power after n more operations that change something. The
// n-th is still done, and its caller told so.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutAt = len(d.log) + n
}

// Cut reports whether the power is cut.
func (d *Disk) Cut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cut
}

// Fail makes every operation, reads included, end with the error that decide
// returns for it; nil lets it succeed. decide is called without a lock and may
// wait. A write that fails has written half; a failed sync has lost what it
// did not keep.
func (d *Disk) Fail(decide func(Operation) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = decide
}

// Limit gives the disk room for n bytes. Zero means any number.
func (d *Disk) Limit(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = n
}

// Log returns what was done, in order: everything but reads.
func (d *Disk) Log() []Operation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.log)
}

// do logs op and calls effect under the lock, with the error that op has to end
// with. What effect returns is the operation's own error.
func (d *Disk) do(op Operation, effect func(fault error) error) error {
	err := d.decide(op)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return ErrPowerCut
	}
	op.Err = effect(err)
	if op.Kind != Read && op.Kind != Open {
		d.log = append(d.log, op)
		d.cut = len(d.log) == d.cutAt
	}
	return op.Err
}

func (d *Disk) decide(op Operation) error {
	d.mu.Lock()
	fault := d.fault
	d.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(op)
}

// Create implements [wal.FS].
func (d *Disk) Create(name string) (wal.File, error) {
	var h *handle
	err := d.do(Operation{Kind: Create, Name: name}, func(fault error) error {
		switch {
		case fault != nil:
			return fault
		case d.names[name] != nil:
			return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		case !d.isDir(filepath.Dir(name)):
			return &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
		case d.limit > 0 && d.used() >= d.limit:
			return &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
		}
		n := &node{}
		d.change(change{dir: filepath.Dir(name), to: name, file: n})
		h = d.handle(name, n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Open implements [wal.FS].
func (d *Disk) Open(name string) (wal.File, error) {
	var h *handle
	err := d.do(Operation{Kind: Open, Name: name}, func(fault error) error {
		n := d.names[name]
		switch {
		case fault != nil:
			return fault
		case n == nil || n.dir:
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		h = d.handle(name, n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Edit implements [wal.FS].
func (d *Disk) Edit(name string) (wal.File, error) { return d.Open(name) }

func (d *Disk) handle(name string, n *node) *handle {
	d.opened++
	return &handle{disk: d, node: n, name: name, number: d.opened}
}

// Rename implements [wal.FS].
func (d *Disk) Rename(from, to string) error {
	return d.do(Operation{Kind: Rename, Name: from, To: to}, func(fault error) error {
		n := d.names[from]
		switch {
		case fault != nil:
			return fault
		case n == nil || !d.isDir(filepath.Dir(to)):
			return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
		}
		d.change(change{dir: filepath.Dir(to), from: from, to: to, file: n})
		return nil
	})
}

// Remove implements [wal.FS].
func (d *Disk) Remove(name string) error {
	return d.do(Operation{Kind: Remove, Name: name}, func(fault error) error {
		switch {
		case fault != nil:
			return fault
		case d.names[name] == nil:
			return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
		}
		d.change(change{dir: filepath.Dir(name), from: name})
		return nil
	})
}

// Mkdir implements [wal.FS].
func (d *Disk) Mkdir(dir string) error {
	if parent := filepath.Dir(dir); parent != dir {
		if err := d.Mkdir(parent); err != nil {
			return err
		}
	}
	d.mu.Lock()
	there := d.isDir(dir) && !d.cut
	d.mu.Unlock()
	if there {
		return nil
	}
	return d.do(Operation{Kind: Mkdir, Name: dir}, func(fault error) error {
		switch {
		case fault != nil:
			return fault
		case d.names[dir] != nil:
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		d.change(change{dir: filepath.Dir(dir), to: dir, file: &node{dir: true}})
		return nil
	})
}

func (d *Disk) isDir(name string) bool { n := d.names[name]; return n != nil && n.dir }

// change makes a change of names that the next sync of its directory keeps.
func (d *Disk) change(c change) {
	c.apply(d.names)
	d.changes = append(d.changes, c)
}

func (c change) apply(names map[string]*node) {
	delete(names, c.from)
	if c.to != "" {
		names[c.to] = c.file
	}
}

// SyncDir implements [wal.FS].
func (d *Disk) SyncDir(dir string) error {
	return d.do(Operation{Kind: SyncDir, Name: dir}, func(fault error) error {
		switch {
		case fault != nil:
			return fault
		case !d.isDir(dir):
			return &fs.PathError{Op: "sync", Path: dir, Err: fs.ErrNotExist}
		}
		d.changes = slices.DeleteFunc(d.changes, func(c change) bool {
			if c.dir == dir {
				c.apply(d.kept)
			}
			return c.dir == dir
		})
		return nil
	})
}

// Names implements [wal.FS].
func (d *Disk) Names(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return nil, ErrPowerCut
	}
	if !d.isDir(dir) {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	var names []string
	for name := range d.names {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Lock implements [wal.FS]. Nothing of a lock is on the disk.
func (d *Disk) Lock(name, note string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if holder, held := d.locks[name]; held {
		return nil, &wal.LockedError{Name: name, Holder: holder}
	}
	d.locks[name] = note
	return unlock(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locks, name)
	}), nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// Volume implements [wal.FS].
func (d *Disk) Volume(string) (wal.Volume, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit == 0 {
		return wal.Volume{Kind: "ext4", Free: -1}, nil
	}
	return wal.Volume{Kind: "ext4", Free: max(0, d.limit-d.used())}, nil
}

// used is how many bytes the files take.
func (d *Disk) used() (bytes int64) {
	for _, n := range d.names {
		bytes += int64(len(n.data))
	}
	return bytes
}

// Put makes a file that has been there, synced, for ever.
func (d *Disk) Put(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &node{data: slices.Clone(content), kept: slices.Clone(content)}
	d.names[name], d.kept[name] = n, n
	for dir := filepath.Dir(name); d.names[dir] == nil; dir = filepath.Dir(dir) {
		made := &node{dir: true}
		d.names[dir], d.kept[dir] = made, made
	}
}
