package spool

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"daybook.dev/internal/wal"
)

const (
	lockName   = "lock"
	cursorName = "cursor"
)

// owned is a directory whose lock this process holds.
type owned struct {
	dir    string
	lock   io.Closer
	chunks []*chunk // the oldest first
	end    wal.End  // of the last chunk there was; what the next one follows
	lastID uint64
	store  [16]byte   // names the directory in the headers of its chunks
	writer *wal.Chunk // of the last chunk; nil = a new one must be begun
}

// A chunk is one file.
type chunk struct {
	header wal.Header
	name   string
	size   int64    // that is synced
	last   uint64   // sequence of the last record
	next   position // of the first record that is not done
	gone   bool
}

// A position is where a record begins.
type position struct {
	offset   int64
	sequence uint64
}

// left is how many records of the chunk are not done.
func (c *chunk) left() int { return int(c.last + 1 - c.next.sequence) }

// active returns the chunk that is being written, or nil.
func (o *owned) active() *chunk {
	if o.writer == nil || len(o.chunks) == 0 {
		return nil
	}
	return o.chunks[len(o.chunks)-1]
}

// endChunk stops writing to the last chunk.
func (o *owned) endChunk() error {
	if o.writer == nil {
		return nil
	}
	err := o.writer.Close()
	o.writer = nil
	return err
}

// Adopt takes over what processes that have died have left, and returns how
// many records that is. Directories whose processes live are left alone. An
// error says what could not be taken over; the rest was.
func (s *Spool) Adopt() (records int, err error) {
	names, err := s.o.FS.Names(s.o.Dir)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	for _, name := range names {
		dir := filepath.Join(s.o.Dir, name)
		if !isOwnedName(name) || slices.ContainsFunc(s.owned, func(o *owned) bool { return o.dir == dir }) {
			continue
		}
		o, damage := s.takeOver(dir)
		err = errors.Join(err, damage)
		if o == nil {
			continue
		}
		s.owned = append(s.owned, o)
		for _, c := range o.chunks {
			records += c.left()
			s.bytes += c.size
		}
	}
	slices.SortStableFunc(s.owned, func(a, b *owned) int { return a.began().Compare(b.began()) })
	s.tidy()
	s.evict()
	return records, err
}

// began is when the oldest record that the directory has was written, about.
func (o *owned) began() time.Time {
	if len(o.chunks) == 0 {
		return time.Unix(1<<40, 0)
	}
	return o.chunks[0].header.Created
}

// isOwnedName reports whether a name is one that newHome gives.
func isOwnedName(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 8
}

// takeOver returns the directory with what it holds, or nil where it is
// somebody else's or cannot be read.
func (s *Spool) takeOver(dir string) (*owned, error) {
	lock, err := s.o.FS.Lock(filepath.Join(dir, lockName), note())
	if othersHold(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o := &owned{dir: dir, lock: lock}
	listed, err := wal.List(s.o.FS, dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	for i := range listed {
		err = errors.Join(err, s.load(o, &listed[i]))
	}
	o.readCursor(s.o.FS)
	return o, err
}

// othersHold reports whether a lock could not be had because a directory is
// somebody else's, or was and is gone.
func othersHold(err error) bool {
	_, held := errors.AsType[*wal.LockedError](err)
	return held || errors.Is(err, fs.ErrNotExist)
}

// load adds a chunk that was found.
func (s *Spool) load(o *owned, l *wal.Listed) error {
	o.lastID = max(o.lastID, l.ID)
	if l.Err != nil {
		// Without its header nothing of it can be read, nor counted.
		_ = s.o.FS.Remove(l.Name)
		return fmt.Errorf("%s: %w", filepath.Base(l.Name), l.Err)
	}
	o.store = l.Store
	end := l.End
	if end.Chunk == 0 {
		found, err := scanEnd(s.o.FS, l)
		if err != nil {
			return err
		}
		end = found
	}
	o.end = end
	if end.Sequence < l.First {
		return s.o.FS.Remove(l.Name) // it holds nothing
	}
	o.chunks = append(o.chunks, &chunk{
		header: l.Header, name: l.Name, size: end.Offset, last: end.Sequence,
		next: position{offset: wal.DataStart, sequence: l.First},
	})
	return nil
}

// scanEnd reads the chunk that no header says the end of.
func scanEnd(disk wal.FS, l *wal.Listed) (wal.End, error) {
	file, err := disk.Open(l.Name)
	if err != nil {
		return wal.End{}, err
	}
	defer func() { _ = file.Close() }()
	scanner := wal.Scan(file, *l)
	for {
		if _, ok := scanner.Next(); !ok {
			return scanner.End(), scanner.Err()
		}
	}
}

// newHome makes a directory of this process's own.
func (s *Spool) newHome() (*owned, error) {
	var err error
	for range 10 {
		var id [8]byte
		_, _ = rand.Read(id[:])
		dir := filepath.Join(s.o.Dir, hex.EncodeToString(id[:]))
		if failed := s.o.FS.Mkdir(dir); failed != nil {
			return nil, failed
		}
		var lock io.Closer
		// Somebody who looks for the dead may have found the directory before
		// it was locked, and be removing it: then another name is taken.
		if lock, err = s.o.FS.Lock(filepath.Join(dir, lockName), note()); err == nil {
			if err = s.syncNames(); err == nil {
				o := &owned{dir: dir, lock: lock}
				_, _ = rand.Read(o.store[:])
				return o, nil
			}
			return nil, errors.Join(err, lock.Close())
		}
		_ = s.o.FS.Remove(dir) // whoever holds a lock in it keeps it
		if !othersHold(err) {
			break
		}
	}
	return nil, err
}

// syncNames makes the names of the directories last: a crash must not keep the
// files and lose the way to them. How many of the upper ones are new is not
// known; those that may not be opened were there before.
func (s *Spool) syncNames() error {
	dir := s.o.Dir
	err := s.o.FS.SyncDir(dir)
	for range 4 {
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
		_ = s.o.FS.SyncDir(dir)
	}
	return err
}

func note() string { return fmt.Sprintf("process %d", os.Getpid()) }

// abandon removes a directory that holds nothing any more.
func (o *owned) abandon(disk wal.FS) {
	_ = disk.Remove(filepath.Join(o.dir, cursorName))
	_ = disk.Remove(filepath.Join(o.dir, lockName))
	_ = disk.Remove(o.dir)
	_ = o.lock.Close()
}

// The cursor says up to where the first chunk is done: its salt, which no other
// chunk has, then offset, sequence and a check. It is not synced: one that is
// lost, or old, means that records are sent once more, under the same IDs.
const cursorSize = 8 + 8 + 8 + 4

func (o *owned) noteCursor(disk wal.FS, c *chunk) {
	var b [cursorSize]byte
	copy(b[:8], c.header.Salt[:])
	binary.LittleEndian.PutUint64(b[8:], uint64(c.next.offset))
	binary.LittleEndian.PutUint64(b[16:], c.next.sequence)
	binary.LittleEndian.PutUint32(b[24:], wal.Checksum(b[:24]))
	name := filepath.Join(o.dir, cursorName)
	file, err := disk.Edit(name)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = disk.Create(name)
	}
	if err != nil {
		return
	}
	_, _ = file.WriteAt(b[:], 0)
	_ = file.Close()
}

func (o *owned) readCursor(disk wal.FS) {
	file, err := disk.Open(filepath.Join(o.dir, cursorName))
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	var b [cursorSize]byte
	if n, _ := file.ReadAt(b[:], 0); n < cursorSize || binary.LittleEndian.Uint32(b[24:]) != wal.Checksum(b[:24]) {
		return
	}
	at := position{offset: int64(binary.LittleEndian.Uint64(b[8:])), sequence: binary.LittleEndian.Uint64(b[16:])}
	for _, c := range o.chunks {
		if c.header.Salt == [8]byte(b[:8]) && at.sequence >= c.next.sequence && at.sequence <= c.last+1 {
			c.next = at
		}
	}
}
