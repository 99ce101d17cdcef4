package journal

import (
	"path/filepath"
	"slices"
	"time"

	"daybook.dev/internal/wal"
)

// Probe measures the disk below dir, which must exist: how long it takes to
// append and sync a few bytes (the median of some), and how many bytes are
// free. It may be used while a gateway runs there.
func Probe(dir string) (sync time.Duration, free uint64, err error) {
	volume, err := wal.OS{}.Volume(dir)
	if err != nil {
		return 0, 0, err
	}
	sync, err = measure(wal.OS{}, filepath.Join(dir, "probe.speed"))
	return sync, uint64(max(volume.Free, 0)), err
}

func measure(fs wal.FS, name string) (time.Duration, error) {
	_ = fs.Remove(name) // left behind by a process that was killed
	file, err := fs.Create(name)
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = file.Close()
		_ = fs.Remove(name)
	}()
	var times [7]time.Duration
	line := make([]byte, 512)
	for i := range times {
		started := time.Now()
		if _, err := file.WriteAt(line, int64(i*len(line))); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		times[i] = time.Since(started)
	}
	slices.Sort(times[:])
	return times[len(times)/2], nil
}
