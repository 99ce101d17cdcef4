package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"daybook.dev/internal/wal"
)

// A BackupResult is what a backup did, and what it holds.
type BackupResult struct {
	Copied int   // chunks written
	Kept   int   // chunks that an earlier backup to the same directory wrote
	Bytes  int64 // written
	Backup Report
}

// Backup copies the journal in from to the directory to: the chunks that are
// complete, and of the last one what is synced. It only reads from, which may
// belong to a gateway that runs. Nil means that the copy is kept, was read
// again, and is clean.
//
// The copy is a data directory: to restore it, start a gateway there, or back
// it up in turn to where one is to start. What a gateway stores in it belongs
// to the next epoch, see nextLife.
//
// A directory that holds an earlier backup of the same journal is completed.
// What it has is kept even when the journal no longer has it.
func Backup(from, to string, o CopyOptions) (BackupResult, error) {
	o = o.withDefaults()
	var r BackupResult
	b := &backup{fs: wal.OS{}, from: chunkDirectory(from), to: chunkDirectory(to), result: &r}
	defer b.close()
	if err := b.plan(); errors.Is(err, os.ErrNotExist) {
		return r, fmt.Errorf("journal: %s: no journal is kept here, or it was cleared just now", from)
	} else if err != nil {
		return r, fmt.Errorf("journal: %s: %w", from, err)
	}
	if err := b.openTarget(to, o.Now()); err != nil {
		return r, fmt.Errorf("journal: backup to %s: %w", to, err)
	}
	if err := b.copy(o); err != nil {
		return r, fmt.Errorf("journal: backup to %s: %w", to, err)
	}
	var err error
	r.Backup, err = verifyCopy(to, o.Found)
	return r, err
}

// A backup is one run of Backup.
type backup struct {
	fs       wal.FS
	from, to string // the folders of the chunks
	chunks   []backedChunk
	life     wal.Header // of the chunk the copy ends with; Created and Salt not set yet

	target []wal.Listed // what to holds already
	lock   io.Closer
	result *BackupResult
}

// A backedChunk is a chunk to copy.
type backedChunk struct {
	wal.Listed
	// file is open from the beginning, so that retention cannot take the chunk
	// away while those before it are copied.
	file  wal.File
	bytes int64 // of it are copied
}

func (b *backup) close() {
	for _, c := range b.chunks {
		_ = c.file.Close()
	}
	if b.lock != nil {
		_ = b.lock.Close()
	}
}

// plan decides what to copy: the state of the journal at this moment.
func (b *backup) plan() error {
	listed, err := wal.List(b.fs, b.from)
	if err != nil {
		return err
	}
	for _, c := range listed {
		file, err := b.fs.Open(c.Name)
		if errors.Is(err, os.ErrNotExist) && len(b.chunks) == 0 {
			continue // a gateway that runs has removed the oldest since
		}
		if err != nil {
			return err
		}
		bytes := c.Size
		if c.End.Chunk != 0 {
			bytes = min(bytes, c.End.Offset)
		}
		b.chunks = append(b.chunks, backedChunk{Listed: c, file: file, bytes: bytes})
	}
	last := lastHeader(listed)
	end, next, err := b.settle(&last)
	if err != nil {
		return err
	}
	b.life = nextLife(last, end, next+unknown(listed), time.Time{})
	return nil
}

// settle decides where the copy of the last chunk that can be read ends, and
// returns that end and the sequence behind it. How many events were stored up to
// there it notes in h. A chunk without records is left
// out: the one the copy ends with takes its place.
func (b *backup) settle(h *wal.Header) (end wal.End, next uint64, err error) {
	at := len(b.chunks) - 1
	for at >= 0 && b.chunks[at].Err != nil {
		at--
	}
	if at < 0 {
		return wal.End{}, 1, nil
	}
	c := &b.chunks[at]
	end, h.Tally, err = b.synced(c)
	if err != nil {
		return end, 0, fmt.Errorf("%s: %w", filepath.Base(c.Name), err)
	}
	c.bytes = end.Offset
	if end.Offset > wal.DataStart {
		return end, end.Sequence + 1, nil
	}
	end, next, h.Tally = c.Prev, c.First, c.Tally
	_ = c.file.Close()
	b.chunks = slices.Delete(b.chunks, at, at+1)
	return end, next, nil
}

// statedNext is what the next header that can be read says of the events before.
func statedNext(chunks []wal.Listed) uint64 {
	for i := range chunks {
		if chunks[i].Err == nil {
			return chunks[i].Tally
		}
	}
	return 0
}

// synced returns the end of the records of c that are kept, and what a header
// behind them has to say of the events before. A gateway may be writing to it:
// what was written when we looked is kept once our own sync has succeeded, and a
// failure of the gateway's shows in the header of the chunk that it makes before
// it answers anybody.
func (b *backup) synced(c *backedChunk) (end wal.End, counted uint64, err error) {
	scan := wal.Scan(c.file, c.Listed)
	in, err := collect(scan)
	if err != nil {
		return wal.End{}, 0, err
	}
	if err := c.file.Sync(); err != nil {
		return wal.End{}, 0, err
	}
	end = scan.End()
	end.Newest = in.newest
	if c.Tally != 0 {
		counted = c.Tally + in.events
	}
	later, err := wal.List(b.fs, b.from)
	if err != nil {
		return wal.End{}, 0, err
	}
	for i := range later {
		if fixed := later[i].End; fixed.Chunk == c.ID && fixed.Offset < end.Offset {
			end, counted = fixed, statedNext(later[i+1:])
		}
	}
	return end, counted, nil
}

// copy brings the target up to the plan. The chunk of the next epoch comes
// first: whenever this stops, a gateway that starts in the target gives no
// position of the original's, and what is not copied yet is named as missing.
func (b *backup) copy(o CopyOptions) error {
	if err := b.createLife(o.Now()); err != nil {
		return err
	}
	var done, total int64
	for i := range b.chunks {
		total += b.chunks[i].bytes
	}
	for i := range b.chunks {
		c := &b.chunks[i]
		if err := b.copyChunk(c); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(c.Name), err)
		}
		done += c.bytes
		o.Progress(done, total)
	}
	if err := b.copyKeys(); err != nil {
		return err
	}
	return b.removeOldLives()
}

func (b *backup) copyChunk(c *backedChunk) error {
	for i := range b.target {
		if t := &b.target[i]; t.ID == c.ID && t.Header == c.Header && t.Size == c.bytes {
			b.result.Kept++
			return nil
		}
	}
	b.result.Copied++
	b.result.Bytes += c.bytes
	return copyFile(b.fs, io.NewSectionReader(c.file, 0, c.bytes), filepath.Join(b.to, filepath.Base(c.Name)))
}

// copyFile makes the file name so that nobody ever finds a part of it.
func copyFile(fs wal.FS, from io.Reader, name string) error {
	temporary := name + ".tmp"
	file, err := fs.Create(temporary)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := io.Copy(io.NewOffsetWriter(file, 0), from); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := fs.Rename(temporary, name); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(name))
}
