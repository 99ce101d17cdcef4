package serve

import (
	"context"
	"os"
	"time"
)

// watchEvery is how often the files of the configuration are looked at. Asking a
// few times a minute would do; this is soon enough for somebody who waits.
const watchEvery = 2 * time.Second

// A fileWatch notices that one of some files has changed: by the time of its last
// change, its size, or because another file has taken its name, as orchestrators
// do it. It reads none of them.
type fileWatch struct {
	stat func(path string) (os.FileInfo, error)
	seen map[string]os.FileInfo // nil = there was no such file
}

func newFileWatch() *fileWatch {
	return &fileWatch{stat: os.Stat, seen: map[string]os.FileInfo{}}
}

// changed reports whether any of the files is another one than at the last call.
// A file that was not asked for before has not changed.
func (w *fileWatch) changed(files []string) bool {
	changed := false
	now := make(map[string]os.FileInfo, len(files))
	for _, path := range files {
		info, err := w.stat(path)
		if err != nil {
			info = nil // it may come back: editors and orchestrators replace files in steps
		}
		before, known := w.seen[path]
		changed = changed || known && info != nil && !same(before, info)
		if info == nil {
			info = before
		}
		now[path] = info
	}
	w.seen = now
	return changed
}

func same(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// watchFiles reloads the configuration whenever one of its files has changed,
// until ctx ends. Nothing is retried: a bad file is read again when it changes
// again.
func (g *Gateway) watchFiles(ctx context.Context) {
	if g.reloading.inputs == nil {
		return
	}
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	watch := newFileWatch()
	watch.changed(g.reloading.read())
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if watch.changed(g.reloading.read()) {
			_ = g.Reload() // it has logged what was wrong
		}
	}
}

// read lists the files that the configuration comes from.
func (r *reloading) read() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files == nil {
		_, _, _ = r.load() // only to see which files there are
	}
	return r.files
}
