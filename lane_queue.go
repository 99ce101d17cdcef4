package daybook

import (
	"context"
	"sync"
	"time"
)

// The queue of a lane: events wait in blocks until the worker or the spiller takes
// them.

// A block is a batch in the making: packed events, one behind the other.
type block struct {
	data     []byte
	start    int // of the first event that is still wanted
	events   int
	attempts int
}

var blocks = sync.Pool{New: func() any { return &block{data: make([]byte, 0, 4<<10)} }}

func (b *block) size() int { return len(b.data) - b.start }

func (b *block) recycle() {
	if cap(b.data) > defaultBatchBytes+maxPooled {
		return
	}
	*b = block{data: b.data[:0]}
	blocks.Put(b)
}

// dropFirst forgets the first event and returns its size.
func (b *block) dropFirst() int {
	size := packedSize(b.data[b.start:])
	b.start += size
	b.events--
	return size
}

// A putResult says what became of an event that was put.
type putResult uint8

const (
	putTaken putResult = iota // queued, or counted as dropped on purpose
	putFull                   // dropped and counted: there was no room
	putGone                   // not taken and not counted: the lane is closing
)

// put copies a packed event into the queue.
func (l *lane) put(packed []byte) putResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(packed)
}

// putWaiting is put for who waits until there is room, or ctx ends. Nobody can
// take the room between the wait and the event.
func (l *lane) putWaiting(ctx context.Context, packed []byte) (putResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.waits(len(packed)) {
		changed := l.change()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if ctx.Err() != nil {
			l.recorded++
			l.drop(queueFull, 1)
			return putFull, ctx.Err()
		}
	}
	return l.take(packed), nil
}

// waits reports whether an event has to wait for room that there can be. It does
// not start the worker again and again while that is pausing. Callers hold mu,
// here and below.
func (l *lane) waits(size int) bool {
	if l.direct || l.refusing || l.fits(size) || size > l.queue.Bytes || l.core.settings.kills(l.name) {
		return false
	}
	if l.open != nil {
		l.seal()
		l.startWorker()
	}
	return true
}

// take is put.
func (l *lane) take(packed []byte) putResult {
	switch {
	case l.refusing:
		return putGone
	case l.core.settings.kills(l.name):
		l.recorded++
		l.drop(killed, 1)
		return putTaken
	case l.direct:
		l.recorded++
		l.writeDirect(packed)
		return putTaken
	}
	if !l.roomFor(len(packed)) {
		if l.queue.WhenFull != DropOldest || !l.makeRoom(len(packed)) {
			l.recorded++
			l.drop(queueFull, 1)
			return putFull
		}
	}
	l.recorded++
	l.append(packed)
	return putTaken
}

// fits reports whether the queue has room.
func (l *lane) fits(size int) bool {
	return l.queued < l.queue.Events && l.bytes+size <= l.queue.Bytes
}

// roomFor reports whether the queue has room. Where it has not, what waits is
// on its way.
func (l *lane) roomFor(size int) bool {
	if l.fits(size) {
		return true
	}
	if l.open != nil {
		l.seal()
	}
	l.startWorker()
	return false
}

// makeRoom drops the oldest events that are not being sent until there is room;
// none where that would not be enough.
func (l *lane) makeRoom(size int) bool {
	events, bytes := l.queued+1-l.queue.Events, l.bytes+size-l.queue.Bytes
	for _, b := range l.sealed {
		if events <= 0 && bytes <= 0 {
			break
		}
		events, bytes = events-b.events, bytes-b.size()
	}
	if events > 0 || bytes > 0 {
		return false
	}
	for !l.fits(size) {
		b := l.sealed[0]
		l.bytes -= b.dropFirst()
		l.queued--
		l.drop(queueFull, 1)
		if b.events == 0 {
			l.popSealed().recycle()
		}
	}
	return true
}

// append puts the event behind the others.
func (l *lane) append(packed []byte) {
	if l.open != nil && l.open.size()+len(packed) > l.batch.Bytes {
		l.seal()
		l.startWorker()
	}
	if l.open == nil {
		l.open = blocks.Get().(*block)
		l.opened = time.Now()
		l.ageTimer.Reset(l.batch.Age)
	}
	b := l.open
	b.data = append(b.data, packed...)
	b.events++
	l.queued++
	l.entered++
	l.bytes += len(packed)
	// A small queue must not be filled by one batch that is still being made.
	if b.events >= min(l.batch.Events, l.queue.Events-l.queue.Events/2) || b.size() >= l.batch.Bytes {
		l.seal()
		l.startWorker()
	}
	if l.spool != nil && l.queue.WhenFull == SpillElseDropNewest &&
		(l.queued > l.queue.Events/2 || l.bytes > l.queue.Bytes/2) {
		l.startSpiller()
	}
}

// seal ends the open block.
func (l *lane) seal() {
	l.sealed = append(l.sealed, l.open)
	l.open = nil
	l.ageTimer.Stop()
}

func (l *lane) popSealed() *block {
	b := l.sealed[0]
	n := copy(l.sealed, l.sealed[1:])
	l.sealed[n] = nil
	l.sealed = l.sealed[:n]
	return b
}

// sealAged seals a block that has waited long enough.
func (l *lane) sealAged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return
	}
	if left := l.batch.Age - time.Since(l.opened); left > 0 {
		l.ageTimer.Reset(left) // the timer was set for a block before this one
		return
	}
	l.seal()
	l.startWorker()
}

// forget drops a block. Callers hold mu, here and below.
func (l *lane) forget(b *block, why reason) {
	l.queued -= b.events
	l.bytes -= b.size()
	l.drop(why, b.events)
	b.recycle()
}

// forgetSealed drops all that waits in memory but for the open block.
func (l *lane) forgetSealed(why reason) {
	for len(l.sealed) > 0 {
		l.forget(l.popSealed(), why)
	}
}
