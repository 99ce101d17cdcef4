// Package spool keeps records on disk until they have been delivered, also for
// the process that comes after this one. docs/spool-format.md is the format.
//
// Each process that has something to keep owns a directory below the shared
// one, and holds a lock in it for as long as it lives. A directory whose lock
// can be had belongs to a process that has died: whoever finds it takes it over.
package spool

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"daybook.dev/internal/wal"
)

// Options say where and how much is kept.
type Options struct {
	Dir   string        // shared by all processes; made where it is not there
	Bytes int64         // bound of all files of this process; the oldest give way
	Age   time.Duration // a record that is older is given up

	// Evicted is told about records that are given up, with locks held: it must
	// be quick and must not call the spool.
	Evicted func(Reason, int)

	FS  wal.FS           // nil = the operating system's
	Now func() time.Time // nil = time.Now
}

// Reason is why records were given up.
type Reason uint8

const (
	Full    Reason = iota // there was no room for them
	Expired               // they were too old
	Damaged               // the disk did not keep them
)

// maxChunk is the size at which a new file is begun. Files are removed as a
// whole, so a small bound needs smaller ones.
const (
	maxChunk = 1 << 20
	minChunk = 32 << 10
)

// A Spool is open for one process. Append may be called from any goroutine;
// Next, Done, Keep, Adopt and Purge from one at a time.
type Spool struct {
	o Options

	disk   sync.Mutex // held by whoever writes; taken before mu. It guards what follows
	framed []byte     // memory of the last write

	mu        sync.Mutex // guards what follows
	owned     []*owned   // the oldest first
	home      *owned     // of owned: the one written to; nil = none yet
	sending   *chunk     // that a batch of is under way: it does not give way; nil = none
	gathering *group     // what the next write takes; nil = nothing
	spare     group      // its memory is for the next one
	bytes     int64      // of all files
	closed    bool
}

// A group is what one fsync covers.
type group struct {
	data  []byte // the payloads, one behind the other
	sizes []int
	done  bool // guarded by Spool.disk, as is err
	err   error
}

var errClosed = errors.New("spool: closed")

// Open returns a spool that owns nothing yet. It makes the shared directory and
// no more: see Adopt.
func Open(o Options) (*Spool, error) {
	o.FS = cmp.Or[wal.FS](o.FS, wal.OS{})
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Evicted == nil {
		o.Evicted = func(Reason, int) {}
	}
	if err := o.FS.Mkdir(o.Dir); err != nil {
		return nil, err
	}
	return &Spool{o: o}, nil
}

// Append writes records. Nil means that they are fsynced. After an error they
// may be found later, or not. Appends at one moment share one fsync. Nothing of
// records is kept.
func (s *Spool) Append(records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	g, err := s.join(records)
	if err != nil {
		return err
	}
	s.disk.Lock()
	defer s.disk.Unlock()
	if g.done { // by whoever had the disk before
		return g.err
	}
	s.mu.Lock()
	s.gathering = nil
	s.mu.Unlock()
	g.err = s.write(g)
	g.done = true
	return g.err
}

// join adds records to the group that is written next.
func (s *Spool) join(records [][]byte) (*group, error) {
	now := uint64(s.o.Now().UnixNano())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.gathering == nil {
		s.gathering = &group{data: s.spare.data, sizes: s.spare.sizes}
		s.spare = group{}
	}
	s.gathering.add(now, records)
	return s.gathering, nil
}

// Next returns the oldest records that are not done, at least one and at most
// so many events and bytes, appended to dst. None means that there are none, or,
// with an error, that those there are cannot be read now: a file that cannot
// does not hold up the others.
// Until Done or Keep the batch stays, however full the spool becomes: what is
// given up meanwhile would count as lost and as delivered.
func (s *Spool) Next(events, size int, dst []byte) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = nil
	var failed error
	for _, o := range s.owned {
		for _, c := range slices.Clone(o.chunks) {
			batch, err := s.read(o, c, events, size, dst)
			switch {
			case batch.Events > 0:
				s.sending = c
				return batch, nil
			case errors.Is(err, fs.ErrNotExist):
				s.lose(o, c)
			case err != nil:
				failed = errors.Join(failed, err)
			case c != o.active():
				s.remove(o, c)
			}
		}
	}
	s.tidy()
	return Batch{Data: dst}, failed
}

// A Batch is what Next has read.
type Batch struct {
	Data   []byte // the records, one behind the other
	Events int

	owned *owned
	chunk *chunk
	to    position
}

// Done says that a batch needs not be kept any longer.
func (s *Spool) Done(b Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || b.chunk == nil || b.chunk.gone || b.to.sequence <= b.chunk.next.sequence {
		return
	}
	b.chunk.next = b.to
	defer s.release()
	if b.chunk.left() == 0 && b.chunk != b.owned.active() {
		s.remove(b.owned, b.chunk)
		s.tidy()
		return
	}
	b.owned.noteCursor(s.o.FS, b.chunk)
}

// Keep says that a batch is not under way any more, and not done.
func (s *Spool) Keep(Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.release()
	}
}

// release lets give way what was being sent. Callers hold mu.
func (s *Spool) release() {
	s.sending = nil
	s.evict()
}

// Len returns how many records are kept.
func (s *Spool) Len() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.owned {
		for _, c := range o.chunks {
			n += c.left()
		}
	}
	return n
}

// Purge removes everything and returns how many records that were.
func (s *Spool) Purge() (n int, err error) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.owned {
		err = errors.Join(err, o.endChunk())
		for len(o.chunks) > 0 {
			n += o.chunks[0].left()
			s.remove(o, o.chunks[0])
		}
	}
	s.tidy()
	return n, err
}

// Close waits for what is being written, removes files that nobody needs and
// lets go of the locks: what is left belongs to whoever finds it.
func (s *Spool) Close() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if g := s.gathering; g != nil {
		g.done, g.err = true, errClosed
		s.gathering = nil
	}
	var err error
	for _, o := range s.owned {
		err = errors.Join(err, o.endChunk())
		for len(o.chunks) > 0 && o.chunks[0].left() == 0 {
			s.remove(o, o.chunks[0])
		}
	}
	s.home = nil
	s.tidy()
	for _, o := range s.owned {
		err = errors.Join(err, o.lock.Close())
	}
	s.owned = nil
	return err
}

// remove removes a chunk's file. Callers hold mu.
func (s *Spool) remove(o *owned, c *chunk) {
	c.gone = true
	for i := range o.chunks {
		if o.chunks[i] == c {
			o.chunks = append(o.chunks[:i], o.chunks[i+1:]...)
			break
		}
	}
	s.bytes -= c.size
	// What cannot be removed is found again by the next process and sent once
	// more; the cursor would know, but it is the file's only other reader.
	_ = s.o.FS.Remove(c.name)
}

// lose gives up the records of a chunk whose file somebody has removed. Callers
// hold mu.
func (s *Spool) lose(o *owned, c *chunk) {
	s.skip(c, Damaged, uint64(c.left()))
	c.next = position{offset: c.size, sequence: c.last + 1}
	if c != o.active() { // who writes to it ends it
		s.remove(o, c)
	}
}

// evict gives up the oldest chunks until there is room. Callers hold mu.
func (s *Spool) evict() {
	for s.bytes > s.o.Bytes {
		o, c := s.oldest()
		if c == nil {
			return
		}
		if n := c.left(); n > 0 {
			s.o.Evicted(Full, n)
		}
		s.remove(o, c)
	}
}

// oldest returns the oldest chunk that is neither being written nor being sent.
func (s *Spool) oldest() (*owned, *chunk) {
	for _, o := range s.owned {
		for _, c := range o.chunks {
			if c != o.active() && c != s.sending {
				return o, c
			}
		}
	}
	return nil, nil
}

// tidy gives back directories that have nothing left. Callers hold mu.
func (s *Spool) tidy() {
	kept := s.owned[:0]
	for _, o := range s.owned {
		if o == s.home || len(o.chunks) > 0 {
			kept = append(kept, o)
			continue
		}
		o.abandon(s.o.FS)
	}
	clear(s.owned[len(kept):])
	s.owned = kept
}
