package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"daybook.dev"
	"daybook.dev/internal/wal"
)

// Open opens the journal in o.Dir, or makes one. It reads the headers of all
// chunks, the key files and the last chunk, never the backlog.
//
// What the last run left behind is repaired here: a torn tail is cut by the
// header of a new chunk, a missing key file is made again. Damage never keeps
// the journal from opening; it is logged and counted when it is met.
func Open(ctx context.Context, o Options) (*Journal, error) {
	o = o.withDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := makeDirectories(o); err != nil {
		return nil, fmt.Errorf("journal: %s: %w", o.Dir, err)
	}
	durability, err := judge(o)
	if err != nil {
		return nil, err
	}
	lock, err := lockDirectory(o)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		options:    o,
		durability: durability,
		lock:       lock,
		health:     newHealth(o),
		stall:      newStall(),
		space:      newSpace(o),
		holds:      newHolds(o.Followers),
		damage:     newDamage(o.Log),
		stopped:    make(chan struct{}),
	}
	j.queue = newQueue(j.stall)
	j.batches.New = func() any { return &batch{decided: make(chan error, 1)} }
	w, err := j.recover()
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("journal: %s: %w", o.Dir, err)
	}
	go j.run(w)
	return j, nil
}

func chunkDirectory(dir string) string { return filepath.Join(dir, "journal") }

func makeDirectories(o Options) error {
	if o.Dir == "" {
		return fmt.Errorf("no data directory given")
	}
	if err := o.FS.Mkdir(chunkDirectory(o.Dir)); err != nil {
		return err
	}
	// Only now their names are kept: first ours in the parent, which somebody
	// else made where we may not read it.
	if err := o.FS.SyncDir(filepath.Dir(filepath.Clean(o.Dir))); err != nil && !errors.Is(err, os.ErrPermission) {
		return err
	}
	return o.FS.SyncDir(o.Dir)
}

// judge decides what a sync in the data directory is worth.
func judge(o Options) (daybook.Durability, error) {
	v, err := o.FS.Volume(o.Dir)
	if err != nil {
		return 0, fmt.Errorf("journal: %s: %w", o.Dir, err)
	}
	if v.Network {
		return 0, failure(daybook.Invalid, "network_file_system", fmt.Sprintf(
			"the data directory %s is on a %s file system, where neither a sync nor a lock can be relied on: use a local disk", o.Dir, v.Kind), nil)
	}
	why := o.Ephemeral
	if why == "" && v.Memory {
		why = "it is on " + v.Kind
	}
	if why == "" {
		return daybook.Fsynced, nil
	}
	if !o.AllowEphemeral {
		return 0, failure(daybook.Invalid, "ephemeral_file_system", fmt.Sprintf(
			"the data directory %s is in memory (%s), so stored events would be lost with the machine: use a disk, or --allow-ephemeral to accept that", o.Dir, why), nil)
	}
	return daybook.InMemory, nil
}

// lockDirectory makes sure that this is the only process that writes here.
func lockDirectory(o Options) (io.Closer, error) {
	host, _ := os.Hostname() // only for people
	note := fmt.Sprintf("process %d on host %s, since %s", os.Getpid(), host, o.Now().UTC().Format("2006-01-02T15:04:05Z"))
	lock, err := o.FS.Lock(filepath.Join(o.Dir, "lock"), note)
	if locked, ok := errors.AsType[*wal.LockedError](err); ok {
		holder := locked.Holder
		if holder == "" {
			holder = "another process"
		}
		return nil, failure(daybook.Unavailable, "directory_locked", fmt.Sprintf(
			"the data directory %s is in use by %s: stop it, or give this one its own directory", o.Dir, holder), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: lock: %w", err)
	}
	return lock, nil
}

// removeLeftovers removes files that were being made when the last run ended.
// Nobody ever reads them.
func removeLeftovers(fs wal.FS, dir string) error {
	names, err := fs.Names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") {
			if err := fs.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func newSalt() (salt [8]byte) {
	_, _ = rand.Read(salt[:]) // never fails
	return salt
}
