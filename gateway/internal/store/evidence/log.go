package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A Source is a journal whose records are covered.
type Source interface {
	// Records calls each with the synced records behind a position, oldest
	// first, until it returns false.
	Records(ctx context.Context, after store.Position, each func(wal.Record) bool) error
	// Wait and Bounds are those of store.Follower.
	Wait(ctx context.Context, after store.Position) error
	Bounds() (oldest, newest store.Position)
}

// Options is what Open needs. Those without a default are required.
type Options struct {
	Data    string // the data directory
	Key     Key
	Journal string // the journal's id, hexadecimal
	Epoch   uint64 // its present one
	Source  Source

	// Every is how long a record may wait to be covered. Zero means 10s.
	Every time.Duration

	// Records is after how many records a checkpoint is signed when there are
	// more at hand. Zero means 100,000.
	Records int

	// Hold is told behind which position the records are needed. Nil means
	// that they are kept without.
	Hold func(after store.Position)

	Log *slog.Logger // nil means nobody is told
}

func (o Options) withDefaults() Options {
	if o.Every == 0 {
		o.Every = 10 * time.Second
	}
	if o.Records == 0 {
		o.Records = 100_000
	}
	if o.Hold == nil {
		o.Hold = func(store.Position) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Log covers the records of a running journal. Use it from one goroutine.
type Log struct {
	options Options
	dir     string
	tree    *tree
	signed  Checkpoint // the newest; Size is zero while there is none
}

// Open continues the tree in the data directory, or begins one with the oldest
// record kept. It fails when the tree there is not the journal's: then somebody
// has to look, and to move the folder away before a new tree can begin.
func Open(o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{options: o, dir: Directory(o.Data)}
	if err := (wal.OS{}).Mkdir(l.dir); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", l.dir, err)
	}
	if err := replaceFile(filepath.Join(l.dir, verifierName), []byte(o.Key.Verifier+"\n")); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return l, nil
}

// load reads the newest checkpoint and the tree it is about.
func (l *Log) load() error {
	signed, err := os.ReadFile(filepath.Join(l.dir, checkpointName))
	if errors.Is(err, os.ErrNotExist) {
		l.tree, err = openTree(l.dir, 0)
		return err
	}
	if err != nil {
		return err
	}
	c, err := OpenCheckpoint(signed, l.options.Key.Verifier)
	if err != nil {
		return fmt.Errorf("%s: %w", checkpointName, err)
	}
	_, newest := l.options.Source.Bounds()
	switch {
	case c.Journal != l.options.Journal:
		return fmt.Errorf("it covers another journal, %s", c.Journal)
	case newest != 0 && c.Last() > uint64(newest):
		return fmt.Errorf("it covers the records up to %d, the journal has them up to %d", c.Last(), newest)
	}
	if l.tree, err = openTree(l.dir, c.Size); err != nil {
		return err
	}
	root, err := l.tree.root()
	if err != nil {
		return err
	}
	if root != c.Root {
		return errors.New("the hashes are not those of the checkpoint")
	}
	l.signed = c
	l.options.Hold(store.Position(c.Last()))
	return nil
}

// Run covers records until ctx ends, then those that are synced by then. A
// failure is logged and tried again: the journal goes on without evidence, and
// the evidence catches up.
func (l *Log) Run(ctx context.Context) {
	defer func() { l.tree.close() }()
	for ctx.Err() == nil && l.options.Source.Wait(ctx, store.Position(l.covered())) == nil {
		if err := l.round(ctx); err != nil && !l.back(err) {
			return
		}
		pause(ctx, l.options.Every)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWithin)
	defer cancel()
	if err := l.round(last); err != nil {
		l.options.Log.Warn("tamper evidence lags; it catches up after the next start", "dir", l.dir, "err", err)
	}
}

// lastWithin bounds what is done when the gateway stops. What is not covered
// then is covered after the next start.
const lastWithin = 3 * time.Second

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// covered is the sequence of the last record in the tree.
func (l *Log) covered() uint64 {
	if l.tree.size == 0 {
		return 0
	}
	return l.signed.First + uint64(l.tree.size) - 1
}

// round covers everything there is. When ctx ends it stops between two records
// without an error.
func (l *Log) round(ctx context.Context) error {
	for {
		n, err := l.cover(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if l.tree.size > l.signed.Size {
			if err := l.sign(); err != nil {
				return err
			}
		}
		if n < l.options.Records {
			return nil
		}
	}
}

// back goes back to the last checkpoint after a failure: what the files hold
// behind it is not known. False means that this cannot be done.
func (l *Log) back(cause error) bool {
	l.options.Log.Error("tamper evidence not written; it is tried again", "dir", l.dir, "err", cause)
	t, err := openTree(l.dir, l.signed.Size)
	if err != nil {
		l.options.Log.Error("tamper evidence is lost; no more records are covered", "dir", l.dir, "err", err)
		return false
	}
	l.tree.close()
	l.tree = t
	return true
}

// cover adds records to the tree and returns how many.
func (l *Log) cover(ctx context.Context) (n int, err error) {
	err = l.options.Source.Records(ctx, store.Position(l.covered()), func(r wal.Record) bool {
		if l.tree.size == 0 {
			l.signed.First = r.Sequence
		}
		for l.covered()+1 < r.Sequence && l.tree.size > 0 { // nobody will find these
			l.tree.add(gap)
		}
		l.tree.add(leaf(r))
		n++
		return n < l.options.Records
	})
	return n, err
}

// sign signs the tree as it is.
func (l *Log) sign() error {
	if err := l.tree.sync(); err != nil {
		return err
	}
	root, err := l.tree.root()
	if err != nil {
		return err
	}
	c := Checkpoint{
		Journal: l.options.Journal, Size: l.tree.size, Root: root,
		First: l.signed.First, Epoch: l.options.Epoch,
	}
	signed, err := c.sign(l.options.Key)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(l.dir, checkpointName), signed); err != nil {
		return err
	}
	l.signed = c
	l.options.Hold(store.Position(c.Last()))
	return nil
}
