package deliver

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A saver writes the cursors of all lanes, in rounds: one sync of the folder
// covers all that changed. It takes at most a tenth of the time there is, so
// that a slow disk is left to those who store events.
type saver struct {
	*shared
	files cursorFiles
	lanes func() []*lane

	wake chan struct{} // room for one: a cursor is behind

	mu     sync.Mutex
	urgent []request // guarded by mu
}

// A request asks for a cursor to be written now.
type request struct {
	lane *lane
	done chan error // room for one
}

func newSaver(s *shared, files cursorFiles, lanes func() []*lane) *saver {
	return &saver{shared: s, files: files, lanes: lanes, wake: make(chan struct{}, 1)}
}

func (s *saver) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// flush returns nil when the lane's cursor, as it is now or later, is on disk.
func (s *saver) flush(ctx context.Context, l *lane) error {
	r := request{lane: l, done: make(chan error, 1)}
	s.mu.Lock()
	s.urgent = append(s.urgent, r)
	s.mu.Unlock()
	s.poke()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes cursors until stop ends, and then once more. It returns why the
// last ones could not be written.
func (s *saver) run(stop context.Context) error {
	var free time.Time // when the next round may begin
	for {
		select {
		case <-stop.Done():
			return s.round(time.Now(), true)
		case <-s.wake:
		}
		if !s.wait(stop, free) {
			continue
		}
		began := time.Now()
		err := s.round(began, false)
		took := time.Since(began)
		free = began.Add(max(s.options.SaveEvery, 10*took))
		if err != nil {
			free = began.Add(max(time.Second, 10*took))
			s.poke()
		}
	}
}

// wait waits until a time, or until somebody is in a hurry. It returns false
// when stop has ended.
func (s *saver) wait(stop context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for !s.hurried() {
		select {
		case <-timer.C:
			return true
		case <-s.wake:
		case <-stop.Done():
			return false
		}
	}
	return true
}

func (s *saver) hurried() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.urgent) > 0
}

// round writes every cursor that is behind or asked for; all says that those
// that are only stale are written, too.
func (s *saver) round(now time.Time, all bool) error {
	s.mu.Lock()
	urgent := s.urgent
	s.urgent = nil
	s.mu.Unlock()

	asked := map[*lane]bool{}
	for _, r := range urgent {
		asked[r.lane] = true
	}
	var written []*lane
	cursors, failed := map[*lane]*cursor{}, map[*lane]error{}
	for _, l := range s.lanes() {
		c := l.snapshot(now, asked[l], all)
		if c == nil {
			continue
		}
		cursors[l] = c
		if failed[l] = s.write(c); failed[l] == nil {
			written = append(written, l)
		}
	}
	if len(written) > 0 {
		if err := s.files.sync(); err != nil {
			for _, l := range written {
				failed[l] = err
			}
		}
	}
	var errs []error
	for l, c := range cursors {
		l.written(c, failed[l])
		errs = append(errs, failed[l])
	}
	for _, r := range urgent {
		r.done <- failed[r.lane]
	}
	return errors.Join(errs...)
}

func (s *saver) write(c *cursor) error {
	content, err := c.encode()
	if err == nil {
		err = s.files.write(c.Destination, content)
	}
	if err == nil {
		err = s.files.replace(c.Destination)
	}
	return err
}

// snapshot returns the lane's cursor as it is now, or nil when the one on disk
// will do and nobody asked.
func (l *lane) snapshot(now time.Time, asked, all bool) *cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dirty && !asked && !(all && l.stale) {
		return nil
	}
	l.dirty, l.stale, l.savedAt = false, false, now
	w := &l.window
	return &cursor{
		Destination: l.Name,
		Store:       l.options.StoreID, Epoch: l.options.Epoch,
		Start: l.account.start, Base: l.account.base,
		Low: w.low, LowEvents: w.lowEvents, Ranges: w.spans(),
		Counts: l.account.counts, Retried: l.account.retried,
		Newest:    newest(l.options.Store),
		DeadAfter: l.deadAfter(now), Unknown: l.awaited.unknown(), DeadBytes: l.letters.bytes.clone(),
		Written: now.UTC(),
	}
}

// written notes that a cursor is on disk, or why not. Only then the store may
// forget what it says is finished.
func (l *lane) written(c *cursor, err error) {
	if err == nil {
		l.options.Store.Hold(l.Name, c.Low)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.dirty = true
		if l.unsaved++; l.unsaved == 1 {
			l.options.Log.Error("a cursor cannot be written: after a crash, events would be delivered again", "destination", l.Name, "err", err)
		}
		return
	}
	l.unsaved = 0
	l.letters.disk = c.DeadAfter
}
