package journal

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"daybook.dev/internal/wal"
)

// fresh is how long an answer about the disk holds.
const fresh = 2 * time.Second

// health knows whether an append could succeed now: the last group did, or else
// a probe does.
type health struct {
	fs   wal.FS
	file string // what a probe writes
	now  func() time.Time

	mu      sync.Mutex
	checked time.Time     // guarded by mu: when last was true
	last    error         // guarded by mu: nil = the disk took a write
	probing chan struct{} // guarded by mu: closed when the probe under way ends; nil = none
	probes  sync.WaitGroup
}

func newHealth(o Options) *health {
	return &health{fs: o.FS, file: filepath.Join(o.Dir, "probe"), now: o.Now}
}

// committed takes note of a group that was synced.
func (h *health) committed() { h.set(nil) }

// failed takes note of a group that was not, or of a chunk that could not be
// made.
func (h *health) failed(err error) { h.set(err) }

func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checked, h.last = h.now(), err
}

// ready returns nil when a write could succeed. It waits for at most one probe,
// and not longer than ctx: a disk that hangs must not hang whoever asks.
func (h *health) ready(ctx context.Context) error {
	h.mu.Lock()
	if age := h.now().Sub(h.checked); age >= 0 && age < fresh {
		defer h.mu.Unlock()
		return h.last
	}
	if h.probing == nil {
		h.probing = make(chan struct{})
		h.probes.Go(h.probe)
	}
	probing := h.probing
	h.mu.Unlock()

	select {
	case <-probing:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.last
	case <-ctx.Done():
		return slowDisk(ctx.Err())
	}
}

// probe writes and syncs a small file.
func (h *health) probe() {
	err := probeFile(h.fs, h.file)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checked, h.last = h.now(), nil
	if err != nil {
		h.last = writeFailure(err)
	}
	close(h.probing)
	h.probing = nil
}

// close waits for the probe under way.
func (h *health) close() { h.probes.Wait() }

func probeFile(fs wal.FS, name string) error {
	_ = fs.Remove(name) // left behind by a process that was killed
	file, err := fs.Create(name)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(make([]byte, 512), 0)
	if err == nil {
		err = file.Sync()
	}
	_ = file.Close()
	_ = fs.Remove(name)
	return err
}
