package wal_test

import (
	"bytes"
	"errors"
	"testing"

	"daybook.dev/internal/wal"
)

// writeGroups makes a chunk in which each group is one write of so many
// records, and returns the chunk, its bytes and where each record begins.
func writeGroups(t *testing.T, groups ...int) (wal.Listed, []byte, []int64) {
	t.Helper()
	dir := t.TempDir()
	c, err := wal.Create(wal.OS{}, dir, header)
	if err != nil {
		t.Fatal(err)
	}
	var offsets []int64
	next := header.First
	for _, n := range groups {
		var records []byte
		for range n {
			offsets = append(offsets, c.Size()+int64(len(records)))
			payload := []byte("payload")
			records = c.AppendRecord(records, wal.Record{Sequence: next, Kind: 1, Payload: payload}, wal.Checksum(payload))
			next++
		}
		if err := c.Write(records); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.Sync(), c.Close()); err != nil {
		t.Fatal(err)
	}
	listed, content := one(t, dir)
	return listed, content, offsets
}

func TestWhatIsMissingInTheLastWriteOfTheLastChunkIsUnfinished(t *testing.T) {
	for name, c := range map[string]struct {
		groups  []int
		lost    []int // records by number
		damaged uint64
		unsure  uint64
	}{
		"the first of the last write":          {groups: []int{2, 3}, lost: []int{2}, unsure: 3},
		"the middle of the last write":         {groups: []int{2, 3}, lost: []int{3}, unsure: 2},
		"two of the last write":                {groups: []int{2, 5}, lost: []int{2, 4}, unsure: 5},
		"one of a write with another behind":   {groups: []int{3, 3}, lost: []int{1}, damaged: 1},
		"the last of a write and of the next":  {groups: []int{3, 3}, lost: []int{2, 3}, damaged: 1, unsure: 3},
		"one of every write":                   {groups: []int{2, 2, 2}, lost: []int{0, 2, 4}, damaged: 2, unsure: 2},
		"a whole write with another behind":    {groups: []int{2, 1, 2}, lost: []int{2}, damaged: 1},
		"a single record with another behind":  {groups: []int{1, 1, 1}, lost: []int{1}, damaged: 1},
		"everything but the last of the write": {groups: []int{4}, lost: []int{0, 1, 2}, unsure: 4},
	} {
		t.Run(name, func(t *testing.T) {
			chunk, content, offsets := writeGroups(t, c.groups...)
			for _, i := range c.lost {
				content[offsets[i]+32]++
			}
			got := scan(t, bytes.NewReader(content), chunk)
			if records(got.damage) != c.damaged || got.end.Unsure != c.unsure || got.torn != (c.unsure > 0) {
				t.Errorf("damage %v, end %+v, torn %t", got.damage, got.end, got.torn)
			}
			if len(got.payloads)+len(c.lost) != len(offsets) {
				t.Errorf("%d records were read", len(got.payloads))
			}
			// The next header keeps what was found: the same is damage, no more.
			chunk.End, chunk.Until = got.end, got.end.Sequence+1
			if again := scan(t, bytes.NewReader(content), chunk); records(again.damage) != c.damaged || len(again.payloads) != len(got.payloads) {
				t.Errorf("with the end fixed: %+v", again)
			}
			chunk.End.Unsure = 0
			if again := scan(t, bytes.NewReader(content), chunk); records(again.damage) != uint64(len(c.lost)) {
				t.Errorf("with all of it synced: %+v", again)
			}
		})
	}
}

func records(damage []wal.Damage) (n uint64) {
	for _, d := range damage {
		n += d.Records()
	}
	return n
}
