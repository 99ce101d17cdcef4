package journal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// killedFiles returns the files that a killed process leaves: several chunks
// with their key files, and a last chunk with four writes of three events.
func killedFiles(t *testing.T) (content map[string][]byte, last string) {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, "a", 20)
	j := open(t, journal.Options{Dir: dir, Now: justAfter})
	for i := range 4 {
		if _, err := j.Append(t.Context(), storetest.Events(fmt.Sprintf("b%d", i), 3)); err != nil {
			t.Fatal(err)
		}
	}
	content = map[string][]byte{}
	for _, name := range files(t, dir, "") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[filepath.Base(name)] = b
		if strings.HasSuffix(name, ".chunk") {
			last = filepath.Base(name)
		}
	}
	return content, last
}

// disk returns a disk with the files, of which one is what torn says.
func diskOf(content map[string][]byte, name string, torn []byte) *waltest.Disk {
	disk := waltest.NewDisk(1)
	for other, b := range content {
		disk.Put("/data/journal/"+other, b)
	}
	disk.Put("/data/journal/"+name, torn)
	return disk
}

// TestR4 tears the last write off at every byte, leaves half a sector of it, or
// zeros where the rest should be.
func TestR4ATornWriteIsCutAndEverythingBeforeItIsWhole(t *testing.T) {
	content, last := killedFiles(t)
	whole, write := content[last], lastWrite(t, content[last])
	for at := write; at < len(whole); at += size(3, 1) {
		for name, torn := range map[string][]byte{
			"cut off":           whole[:at:at],
			"zeros behind":      append(whole[:at:at], make([]byte, 5000)...),
			"old bytes behind":  append(whole[:at:at], whole[wal.DataStart:wal.DataStart+600]...),
			"noise behind":      append(whole[:at:at], bytes.Repeat([]byte{0xa5}, 333)...),
			"the end came only": append(append(whole[:write:write], make([]byte, at-write)...), whole[at:]...),
		} {
			requireTail(t, diskOf(content, last, torn))
			if t.Failed() {
				t.Fatalf("%s at %d of %d", name, at, len(whole))
			}
		}
	}
}

// lastWrite returns the offset of the last three records.
func lastWrite(t *testing.T, chunk []byte) int {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, wal.ChunkName(binary.LittleEndian.Uint64(chunk[40:])))
	if err := os.WriteFile(name, chunk, 0o600); err != nil {
		t.Fatal(err)
	}
	listed, err := wal.List(wal.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	scan := wal.Scan(bytes.NewReader(chunk), listed[0])
	for {
		if _, ok := scan.Next(); !ok {
			return int(scan.LastWrite())
		}
	}
}

// requireTail opens the journal and requires that all but events of the last
// write are there, and what happened is told once and is no damage.
func requireTail(t *testing.T, disk *waltest.Disk) {
	t.Helper()
	var log bytes.Buffer
	j, err := journal.Open(t.Context(), journal.Options{Dir: "/data", FS: disk, Now: justAfter, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	entries := storetest.ReadAll(t, j, 100)
	if len(entries) < 29 || len(entries) > 32 {
		t.Errorf("%d events are there", len(entries))
	}
	for i, e := range entries[:29] {
		if int(e.Position) != i+1 {
			t.Errorf("position %d is at place %d", e.Position, i+1)
		}
	}
	if s := j.Stats(); s.DamagedRecords != 0 || s.TornTails > 1 || strings.Count(log.String(), "unfinished write") != int(s.TornTails) {
		t.Errorf("stats %+v, log %s", s, &log)
	}
	for _, r := range storetest.Events("b2", 3) {
		requireStatus(t, j, r, daybook.Duplicate)
	}
	requireStatus(t, j, storetest.Event("c", "fresh"), daybook.Stored)
}

// A key file torn anywhere is made again; so is one that was being made.
func TestR4ATornKeyFileIsMadeAgain(t *testing.T) {
	content, _ := killedFiles(t)
	for name, whole := range content {
		if !strings.HasSuffix(name, ".keys") {
			continue
		}
		for at := 0; at < len(whole); at += size(7, 1) {
			for _, name := range []string{name, name + ".tmp"} {
				requireKeys(t, diskOf(content, name, whole[:at:at]))
				requireKeys(t, diskOf(content, name, append(whole[:at:at], make([]byte, len(whole)-at)...)))
			}
			if t.Failed() {
				t.Fatalf("%s at %d of %d", name, at, len(whole))
			}
		}
	}
}

func requireKeys(t *testing.T, disk *waltest.Disk) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: "/data", FS: disk, Now: justAfter})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	if got := statuses(t, j, storetest.Events("a", 20)); got[daybook.Duplicate] != 20 {
		t.Errorf("copies are %v", got)
	}
}

// A header is written under another name: torn, it is removed at the next start
// and no chunk is missing.
func TestR4ATornHeaderIsNoChunk(t *testing.T) {
	content, last := killedFiles(t)
	id, _ := wal.ParseName(last, ".chunk")
	header := content[last][:wal.DataStart]
	for at := 0; at < len(header); at += size(97, 1) {
		disk := diskOf(content, wal.ChunkName(id+1)+".tmp", header[:at:at])
		j := open(t, journal.Options{Dir: "/data", FS: disk, Now: justAfter})
		if n := len(storetest.ReadAll(t, j, 100)); n != 32 {
			t.Fatalf("header cut at %d: %d events", at, n)
		}
		requireStatus(t, j, storetest.Event("c", "fresh"), daybook.Stored)
		closeJournal(t, j)
	}
}
