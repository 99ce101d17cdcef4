package daybook

import "time"

// spillOne moves the oldest sealed block to the spool. Callers hold mu.
func (l *lane) spillOne() func() {
	b := l.popSealed()
	l.flying = b
	l.storing = true
	return func() {
		err := l.store(b)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.storing = false
		l.flying = nil
		l.spilt(b, err)
	}
}

// store writes a block to the spool.
func (l *lane) store(b *block) error {
	return l.spool.Append(splitPacked(b.data[b.start:]))
}

// splitPacked returns the packed events in data.
func splitPacked(data []byte) (records [][]byte) {
	for at := 0; at < len(data); {
		size := packedSize(data[at:])
		if size == 0 {
			break
		}
		records = append(records, data[at:at+size])
		at += size
	}
	return records
}

// spilt counts a block that was moved to the spool, or keeps it where the disk
// has failed.
func (l *lane) spilt(b *block, err error) {
	if err != nil {
		l.trouble(err)
		l.sealed = append([]*block{b}, l.sealed...)
		l.diskAfter = time.Now().Add(diskPause)
	} else {
		l.queued -= b.events
		l.bytes -= b.size()
		l.spooled += b.events
		b.recycle()
	}
	l.notify()
}

// startSpiller moves blocks to the spool while the worker waits for the sink.
func (l *lane) startSpiller() {
	if l.spilling || l.abandoned || l.refusing || len(l.sealed) == 0 || !l.diskWorks(time.Now()) {
		return
	}
	l.spilling = true
	l.wg.Go(l.spill)
}

// spill moves the oldest blocks to the spool until a quarter of the queue is
// left.
func (l *lane) spill() {
	for {
		l.mu.Lock()
		if len(l.sealed) == 0 || l.abandoned || l.queued <= l.queue.Events/4 && l.bytes <= l.queue.Bytes/4 {
			l.spilling = false
			l.startWorker()
			l.notify()
			l.mu.Unlock()
			return
		}
		b := l.popSealed()
		l.mu.Unlock()
		err := l.store(b)
		l.mu.Lock()
		l.spilt(b, err)
		if err != nil {
			l.spilling = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// adopt takes over the spools of processes that have died.
func (l *lane) adopt() {
	n, err := l.spool.Adopt()
	ours := l.core.reclaim(l.name, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recorded += uint64(n)
	l.recovered += uint64(n - ours)
	l.spooled += n
	if err != nil {
		l.trouble(err)
	}
}
