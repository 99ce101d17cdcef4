package serve

import (
	"context"
	"os"
	"time"
)

// watchEvery is how often the files of the configuration are looked at. Asking a
// few times a minute would do; this is soon enough for somebody who waits.
const watchEvery = 2 * time.Second

// A FileWatch notices that one of some files has changed since it was read: by
// the time of its last change, its size, who may read it, or because another file
// has taken its name, as orchestrators do it. It reads none of them. One goroutine at a time
// may use it.
type FileWatch struct {
	seen map[string]os.FileInfo // nil = there was no such file
}

// note has to be called before path is read, so that no change falls between.
func (w *FileWatch) note(path string) {
	if w == nil {
		return
	}
	if _, known := w.seen[path]; known {
		return
	}
	if w.seen == nil {
		w.seen = map[string]os.FileInfo{}
	}
	w.seen[path] = stat(path)
}

// changed reports whether any of the files is another one than when it was noted,
// or at the last call.
func (w *FileWatch) changed() bool {
	changed := false
	for path, before := range w.seen {
		info := stat(path)
		if info == nil || same(before, info) {
			continue // one that is gone may come back: editors and orchestrators replace files in steps
		}
		changed = true
		w.seen[path] = info
	}
	return changed
}

// stat is nil where there is no such file.
func stat(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// watchFiles reloads the configuration whenever one of its files has changed,
// until ctx ends. Nothing is retried: a bad file is read again when it changes
// again.
func (g *Gateway) watchFiles(ctx context.Context) {
	if g.reloading.inputs == nil || g.reloading.inputs.Watch == nil {
		return
	}
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if g.reloading.changed() {
			_ = g.Reload() // it has logged what was wrong
		}
	}
}

func (r *reloading) changed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watch.changed()
}
