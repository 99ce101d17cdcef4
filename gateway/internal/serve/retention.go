package serve

import (
	"fmt"
	"path/filepath"

	"daybook.dev/internal/wal"
)

// checkRetention says what is kept, and whether there is room for it. Too little
// room is no problem of the configuration: the gateway starts, and refuses
// events only when the room is used.
func checkRetention(c Config) Finding {
	found := Finding{Check: "retention", OK: true, Detail: fmt.Sprintf(
		"%s of events, at most %s; ids are remembered for %s",
		durationText(c.Journal.Keep), c.Journal.MaxSize, durationText(c.Dedup.Window))}
	dir, _, err := nearestDirectory(c.Data)
	if err != nil {
		return found // the check of the data directory says why
	}
	volume, err := wal.OS{}.Volume(dir)
	if err != nil || volume.Free < 0 {
		return found
	}
	if room := volume.Free + journalBytes(c.Data); room < int64(c.Journal.MaxSize) {
		found.Detail += fmt.Sprintf("; there is room for only %s: lower journal.max_size, or new events will be refused once that is used",
			HumanBytes(uint64(room)))
	}
	return found
}

// journalBytes is what the journal takes already.
func journalBytes(data string) (bytes int64) {
	chunks, err := wal.List(wal.OS{}, filepath.Join(data, "journal"))
	if err != nil {
		return 0 // there is none yet, or serve will say what is wrong with it
	}
	for i := range chunks {
		bytes += chunks[i].Size
	}
	return bytes
}
