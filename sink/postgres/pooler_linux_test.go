package postgres_test

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"daybook.dev/internal/need"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/postgres/postgrestest"
	"daybook.dev/sink/sinktest"
)

// PgBouncer gives every transaction another connection of the server, so that
// whatever a sink leaves on one is not there when it is next needed.
func TestAPoolerMayStandBetween(t *testing.T) {
	path := need.Command(t, "pgbouncer")
	_, dsn := open(t, postgrestest.Start(t))
	s := openOn(t, postgres.Config{DSN: startPooler(t, path, dsn), MaxConns: 4})
	const writers, writes = 4, 10
	done := make(chan error)
	for w := range writers {
		go func() {
			var err error
			for n := range writes {
				if err == nil {
					err = s.Write(t.Context(), sinktest.Events(fmt.Sprint(w, "-", n), 10))
				}
			}
			done <- err
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if missing, err := s.Missing(t.Context()); err != nil || missing != nil {
		t.Errorf("missing: %q, %v", missing, err)
	}
	if got := query(t, dsn, "SELECT count(*) FROM daybook_events"); got[0][0] != fmt.Sprint(writers*writes*10) {
		t.Errorf("rows: %v", got)
	}
}

// startPooler starts a PgBouncer before the server of dsn and returns how to
// connect to it.
func startPooler(t *testing.T, path, dsn string) string {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "daybook-pooler-") //nolint:usetesting // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	files := map[string]string{
		"users": fmt.Sprintf("%q %q\n", c.User, c.Password),
		"ini": "[databases]\n* = host=" + c.Host + "\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = " + dir +
			"\nauth_type = plain\nauth_file = " + filepath.Join(dir, "users") + "\npool_mode = transaction\ndefault_pool_size = 2\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil { // a pooler may not be root's
		t.Fatal(err)
	}
	args := []string{filepath.Join(dir, "ini")}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.Contains(lines.Text(), "process up") {
		said = append(said, lines.Text())
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		for lines.Scan() { // it must not wait for a reader
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-rest
		cmd.Wait()
		if t.Failed() {
			t.Log(strings.Join(said, "\n"))
		}
	})
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(c.User, c.Password), Path: "/" + c.Database,
		RawQuery: url.Values{"host": {dir}, "port": {"6432"}}.Encode(),
	}
	return u.String()
}
