package journal

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"daybook.dev/internal/wal"
)

// A Damage is something in the journal's files that is not as it was written.
type Damage struct {
	File     string // without the directory
	Offset   int64
	Sequence uint64 // of the first record concerned; 0 = not known
	What     string // for people
}

// String says what is wrong and where.
func (d Damage) String() string {
	if d.Sequence == 0 {
		return fmt.Sprintf("%s at %d: %s", d.File, d.Offset, d.What)
	}
	return fmt.Sprintf("%s at %d, sequence %d: %s", d.File, d.Offset, d.Sequence, d.What)
}

// damage counts what could not be read and logs each place once, however many
// readers pass it.
type damage struct {
	log *slog.Logger

	mu      sync.Mutex
	named   map[place]bool // guarded by mu, like everything below
	records uint64
	tails   uint64
}

func newDamage(log *slog.Logger) *damage {
	return &damage{log: log, named: map[place]bool{}}
}

// record takes note of lost records.
func (d *damage) record(c *wal.Listed, lost wal.Damage) {
	d.add(place{chunk: c.ID, offset: lost.Offset}, lost.Records(), lostIn(c, lost))
}

// header takes note of a chunk that cannot be read at all. How many records it
// holds is not known; it counts as one.
func (d *damage) header(c wal.Listed) {
	d.add(place{chunk: c.ID}, 1, headerOf(&c))
}

// flaws takes note of damage in a header that cost nothing.
func (d *damage) flaws(c *wal.Listed) {
	for _, f := range c.Flaws {
		d.add(place{chunk: c.ID, offset: f.Offset}, 0, flawIn(c, f))
	}
}

func (d *damage) add(at place, records uint64, what Damage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.named[at] {
		return
	}
	d.named[at] = true
	d.records += records
	d.log.Error("journal damaged", "file", what.File, "offset", what.Offset,
		"sequence", what.Sequence, "records", records, "what", what.What)
}

// torn takes note of a write that was cut short when the machine stopped.
func (d *damage) torn(c *wal.Listed, end wal.End) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tails++
	d.log.Warn("journal ended in an unfinished write, which nobody was told yes for; it is left out",
		"file", filepath.Base(c.Name), "offset", end.Offset, "after_sequence", end.Sequence, "bytes", c.Size-end.Offset)
}

func (d *damage) counts() (records, tails uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.records, d.tails
}

func lostIn(c *wal.Listed, lost wal.Damage) Damage {
	what := lost.What
	if lost.Records() > 1 {
		what = fmt.Sprintf("%s, up to sequence %d", what, lost.Last)
	}
	return Damage{File: filepath.Base(c.Name), Offset: lost.Offset, Sequence: lost.First, What: what}
}

func flawIn(c *wal.Listed, f wal.Flaw) Damage {
	return Damage{File: filepath.Base(c.Name), Offset: f.Offset, What: f.What + "; no record is lost"}
}

func headerOf(c *wal.Listed) Damage {
	return Damage{File: filepath.Base(c.Name), What: c.Err.Error() + "; its records cannot be read"}
}
