package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/gateway/internal/store/storetest"
	"daybook.dev/internal/need"
	"daybook.dev/internal/wal"
	"daybook.dev/internal/wal/waltest"
)

// opens takes in what needs a descriptor of its own.
func opens(op waltest.Operation) bool {
	return op.Kind == waltest.Create || op.Kind == waltest.Open && !strings.HasSuffix(op.Name, ".keys")
}

// TestR9 has no descriptor left, or a disk that has become read-only, from any
// call on.
func TestR9WithoutDescriptorsOrOnAReadOnlyDiskNothingIsLost(t *testing.T) {
	seed := newSeed(t)
	for name, c := range map[string]struct {
		concerns func(waltest.Operation) bool
		err      error
	}{
		"no descriptors":   {concerns: opens, err: syscall.EMFILE},
		"a read-only disk": {concerns: changes, err: syscall.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Logf("%d spells", failEverywhere(t, seed, c.concerns, 20, c.err))
		})
	}
}

// exhaust takes all descriptors this process may have, until give is called.
func exhaust(t *testing.T) (give func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	few := before
	few.Cur = min(before.Cur, 256)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		need.Missing(t, "rlimit", err.Error())
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	return func() {
		for _, f := range taken {
			f.Close()
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
}

// The real thing: the chunk that is open goes on, a new one cannot be made, and
// when there are descriptors again everything goes on by itself.
func TestR9AProcessWithoutDescriptorsRefusesAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir, ChunkBytes: wal.DataStart + 3000, Now: justAfter})
	appendOne(t, j, "before")
	give := exhaust(t)
	var refused error
	stored := 1
	for _, r := range storetest.Events("a", 50) {
		if refused = appendError(t, j, r.Event.ID); refused != nil {
			break
		}
		stored++
	}
	give()
	if stored < 2 || daybook.CodeOf(refused) != daybook.Unavailable || !errors.Is(refused, syscall.EMFILE) {
		t.Errorf("%d events stored, then %v", stored, refused)
	}
	if r := appendOne(t, j, "after"); r.Status != daybook.Stored {
		t.Errorf("with descriptors again: %+v", r)
	}
	if got := len(storetest.ReadAll(t, j, 10)); got != stored+1 {
		t.Errorf("%d events are there, %d were stored", got, stored+1)
	}
	closeJournal(t, j)
	verifyClean(t, dir)
}

// child runs one of the children below in a process of its own, and returns
// what it prints.
func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), "DAYBOOK_CHILD="+dir)
	return cmd
}

// childDir returns the directory that a child works on, and skips in any other
// process.
func childDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DAYBOOK_CHILD")
	if dir == "" {
		t.Skip("only as a child of another test")
	}
	return dir
}

// TestChildHolds is a gateway that runs until its input ends.
func TestChildHolds(t *testing.T) {
	open(t, journal.Options{Dir: childDir(t)})
	os.Stdout.WriteString("holds\n")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestR9TwoProcessesNeverShareADirectory(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "TestChildHolds", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "holds"); {
	}
	_, err = journal.Open(t.Context(), journal.Options{Dir: dir})
	if daybook.CodeOf(err) != daybook.Unavailable || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a directory in use: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil { // the lock goes with the process
		t.Fatal(err)
	}
	in.Close()
	_ = cmd.Wait()
	appendOne(t, open(t, journal.Options{Dir: dir}), "after")
}

// mounted mounts a file system in memory of so many bytes, in the lab and where
// that is permitted.
func mounted(t *testing.T, bytes string) string {
	t.Helper()
	if !inLab() {
		t.Skip("only in the lab: DAYBOOK_LAB=1")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes); err != nil {
		need.Missing(t, "mount", err.Error()+": run as root to mount a tmpfs")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A disk that is remounted read-only under a running journal.
func TestR9AReadOnlyRemountRefusesAndGoesOn(t *testing.T) {
	dir := mounted(t, "8m")
	data := filepath.Join(dir, "data")
	j := open(t, journal.Options{Dir: data, AllowEphemeral: true, ChunkBytes: wal.DataStart + 3000, Now: justAfter})
	appendOne(t, j, "before")
	// The chunk is open for writing, so the file system cannot be remounted
	// until it is closed: what can be shown is a start on a read-only one.
	closeJournal(t, j)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		need.Missing(t, "remount", err.Error())
	}
	before := contents(t, data)
	_, err := journal.Open(t.Context(), journal.Options{Dir: data, AllowEphemeral: true})
	if !errors.Is(err, syscall.EROFS) {
		t.Errorf("a start on a read-only file system: %v", err)
	}
	verifyClean(t, data)
	if after := contents(t, data); len(after) != len(before) {
		t.Errorf("%d files before, %d after", len(before), len(after))
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	again, err := journal.Open(t.Context(), journal.Options{Dir: data, AllowEphemeral: true, Now: justAfter})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, again)
	requireStatus(t, again, storetest.Event("c", "before"), daybook.Duplicate)
}

// A small file system that is full, and has room again.
func TestR6ASmallFileSystemFillsUpAndHasRoomAgain(t *testing.T) {
	dir := mounted(t, "3m")
	data, ballast := filepath.Join(dir, "data"), filepath.Join(dir, "ballast")
	// Only what the system says counts here, not how much room is left.
	j, err := journal.Open(t.Context(), journal.Options{Dir: data, AllowEphemeral: true, ChunkBytes: 200_000, RefuseAt: 100, Now: justAfter})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	appendOne(t, j, "before")
	var stored, refusals int
	for round := range 3 {
		fillFile(t, ballast)
		for i := range 3000 {
			err := appendError(t, j, fmt.Sprintf("e-%d-%d", round, i))
			if err == nil {
				stored++
				continue
			}
			if daybook.CodeOf(err) != daybook.Exhausted {
				t.Fatalf("on a full file system: %v", err)
			}
			refusals++
			break
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for try := 0; ; try++ { // the room is looked at every two seconds
			if appendError(t, j, fmt.Sprintf("again-%d", round)) == nil {
				stored++
				break
			}
			if try > 600 {
				t.Fatal("with room again, nothing is stored")
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	if n := len(storetest.ReadAll(t, j, 100)); n != stored+1 || refusals != 3 {
		t.Errorf("%d events are there, %d were stored, %d refusals", n, stored+1, refusals)
	}
}

// fillFile writes to a file until there is no room.
func fillFile(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
