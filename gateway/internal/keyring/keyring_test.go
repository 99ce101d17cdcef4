package keyring_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/keyring"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// file is a file of callers that does not exist yet.
func file(t *testing.T) string { return filepath.Join(t.TempDir(), "callers.jsonl") }

// update changes a file, which must succeed.
func update(t *testing.T, path string, change func(*keyring.Ring) error) {
	t.Helper()
	if err := keyring.Update(path, change); err != nil {
		t.Fatal(err)
	}
}

// create makes a caller and returns its key.
func create(t *testing.T, path string, c keyring.Caller) (key string) {
	t.Helper()
	update(t, path, func(r *keyring.Ring) (err error) {
		key, _, err = r.Create(c, noon)
		return err
	})
	return key
}

func read(t *testing.T, path string) keyring.Ring {
	t.Helper()
	ring, err := keyring.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestACallersKeyIsKeptAsItsHashInAFileOfTheOwners(t *testing.T) {
	path := file(t)
	key := create(t, path, keyring.Caller{
		Name: "checkout", Protocols: []string{"http"}, Events: []string{"checkout-*"}, Quota: &keyring.Quota{Events: 100, Burst: 2},
	})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), key) || strings.Contains(string(text), key[4:20]) {
		t.Error("the key is in the file")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	ring := read(t, path)
	if len(ring) != 1 || len(ring[0].Keys) != 1 || ring[0].Keys[0].Last4 != key[len(key)-4:] || !ring[0].Keys[0].Created.Equal(noon) {
		t.Fatalf("kept %+v", ring)
	}
	row := ring.Rows()[0]
	if row.Name != "checkout" || row.Protocols[0] != "http" || row.Events[0] != "checkout-*" || row.Quota != (caller.Quota{Events: 100, Burst: 2 * time.Second}) ||
		row.Keys[0].String() != ring[0].Keys[0].Hash {
		t.Errorf("row %+v", row)
	}
}

func TestANewKeyStandsBesideTheOldOneUntilThatIsRevoked(t *testing.T) {
	path := file(t)
	create(t, path, keyring.Caller{Name: "checkout"})
	old := read(t, path)[0].Keys[0]
	update(t, path, func(r *keyring.Ring) error {
		_, _, _, err := r.Add("checkout", noon)
		return err
	})
	if keys := read(t, path)[0].Keys; len(keys) != 2 {
		t.Fatalf("keys %+v", keys)
	}
	update(t, path, func(r *keyring.Ring) error {
		gone, err := r.Revoke(old.ID())
		if len(gone) != 1 || gone[0].Caller != "checkout" || gone[0].Key.Hash != old.Hash {
			t.Errorf("revoked %+v", gone)
		}
		return err
	})
	if keys := read(t, path)[0].Keys; len(keys) != 1 || keys[0].Hash == old.Hash {
		t.Errorf("keys %+v", keys)
	}
	update(t, path, func(r *keyring.Ring) error {
		_, err := r.Revoke("checkout")
		return err
	})
	if ring := read(t, path); len(ring) != 0 {
		t.Errorf("callers %+v", ring)
	}
}

func TestWhatCannotBeDoneChangesNothing(t *testing.T) {
	path := file(t)
	create(t, path, keyring.Caller{Name: "checkout"})
	before, _ := os.ReadFile(path)
	for name, change := range map[string]func(*keyring.Ring) error{
		"a caller twice":      func(r *keyring.Ring) error { _, _, err := r.Create(keyring.Caller{Name: "checkout"}, noon); return err },
		"a name that is none": func(r *keyring.Ring) error { _, _, err := r.Create(keyring.Caller{Name: "a b"}, noon); return err },
		"anonymous": func(r *keyring.Ring) error {
			_, _, err := r.Create(keyring.Caller{Name: "anonymous"}, noon)
			return err
		},
		"an unknown protocol": func(r *keyring.Ring) error {
			_, _, err := r.Create(keyring.Caller{Name: "a", Protocols: []string{"smtp"}}, noon)
			return err
		},
		"a key for nobody":        func(r *keyring.Ring) error { _, _, _, err := r.Add("search", noon); return err },
		"revoking nobody":         func(r *keyring.Ring) error { _, err := r.Revoke("search"); return err },
		"revoking too few digits": func(r *keyring.Ring) error { _, err := r.Revoke((*r)[0].Keys[0].Hash[:5]); return err },
		"a change of mind":        func(r *keyring.Ring) error { *r = nil; return errors.New("no") },
	} {
		if err := keyring.Update(path, change); err == nil {
			t.Errorf("%s: no error", name)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
			t.Errorf("%s: the file changed", name)
		}
	}
}

func TestUpdatesAtTheSameTimeAllCount(t *testing.T) {
	path := file(t)
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		all.Go(func() {
			err := keyring.Update(path, func(r *keyring.Ring) error {
				_, _, err := r.Create(keyring.Caller{Name: name}, noon)
				return err
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if ring := read(t, path); len(ring) != 6 {
		t.Errorf("%d callers, want 6", len(ring))
	}
}

func TestAFileKeepsItsMode(t *testing.T) {
	path := file(t)
	create(t, path, keyring.Caller{Name: "a"})
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	create(t, path, keyring.Caller{Name: "b"})
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
}

// A gateway that runs as another user reads the file as soon as it has changed. One
// that it cannot read then is not looked at again before it changes again: a key
// that was revoked would still be good.
func TestAFileHasItsModeFromTheMomentItIsThere(t *testing.T) {
	path := file(t)
	create(t, path, keyring.Caller{Name: "a"})
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 20 {
			err := keyring.Update(path, func(r *keyring.Ring) error {
				_, _, err := r.Create(keyring.Caller{Name: fmt.Sprint("b", n)}, noon)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("mode %v, %v", info.Mode(), err)
			<-done
			return
		}
	}
}

func TestALineThatIsNoCallerIsNamed(t *testing.T) {
	good := `{"name":"a","keys":[{"sha256":"` + strings.Repeat("0", 64) + `","last4":"abcd","created":"2026-01-02T12:00:00Z"}]}`
	for name, c := range map[string]struct{ text, want string }{
		"a good line":         {good + "\n\n", ""},
		"no line":             {"", ""},
		"a misspelt member":   {good + "\n" + `{"name":"b","evnts":["x"]}`, "f:2: is no caller: json: unknown field \"evnts\""},
		"something else":      {"callers:\n", "f:1: is no caller"},
		"two on a line":       {good + good, "f:1: something follows the caller"},
		"a hash that is none": {`{"name":"b","keys":[{"sha256":"x"}]}`, "f:1: caller b: keys[0].sha256 must be a SHA-256"},
		"too much":            {strings.Repeat("\n", 17<<20), "f: is larger than 16 MiB"},
	} {
		_, err := keyring.Parse("f", []byte(c.text))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// FuzzParse holds that what is read of any file has a row for each caller, with a
// hash for each of its keys.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"name":"a","keys":[]}`))
	f.Add([]byte("\n{}\n"))
	f.Add([]byte(`{"name":"a","quota":{"events_per_second":1e400}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := keyring.Parse("f", text)
		if err != nil {
			return
		}
		if rows := ring.Rows(); len(rows) != len(ring) {
			t.Fatalf("%d rows of %d callers", len(rows), len(ring))
		}
		for i, row := range ring.Rows() {
			if len(row.Keys) != len(ring[i].Keys) {
				t.Fatalf("%d hashes of %d keys", len(row.Keys), len(ring[i].Keys))
			}
		}
	})
}
