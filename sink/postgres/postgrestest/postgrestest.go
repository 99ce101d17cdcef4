// Package postgrestest starts a real PostgreSQL for a test, and stops and
// starts it again where the test wants an outage. It needs the programs of the
// server on the machine (Debian: apt-get install postgresql); a test without
// them skips, or fails where DAYBOOK_REQUIRE names postgres.
package postgrestest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook.dev/internal/need"
)

// User and Password are the superuser's of every server started here. They are
// asked for, so that a test can also give wrong ones.
const (
	User     = "keeper"
	Password = "open-sesame"
)

// patience bounds what the server does alone: making a database directory,
// starting, stopping.
const patience = 60 * time.Second

// A Server is a PostgreSQL of the test's own: a temporary directory, a unix
// socket, no network. Its methods end the test that started it when they
// cannot do what they say, and are for that test's goroutine.
type Server struct {
	t        testing.TB
	bin      string // the folder of initdb and postgres
	dir      string // holds data/ and the socket
	settings []string
	running  *process // nil while stopped

	databases atomic.Int32 // made so far
}

// Start makes a server, starts it, and stops it when the test is over. Settings
// are lines of postgresql.conf, such as "max_connections=5". The server never
// waits for a disk (fsync=off): what it has said yes to survives Stop, and not
// the machine.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	bin, err := programs()
	if err != nil {
		need.Missing(t, "postgres", err.Error())
	}
	s := &Server{t: t, bin: bin, dir: directory(t), settings: settings}
	s.initialise()
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// DSN returns how to connect to the server's first database.
func (s *Server) DSN() string { return s.dsn("postgres") }

// Database makes an empty database and returns how to connect to it.
func (s *Server) Database() string {
	s.t.Helper()
	name := "test" + strconv.Itoa(int(s.databases.Add(1)))
	s.Exec(s.DSN(), "CREATE DATABASE "+name)
	return s.dsn(name)
}

// Exec runs statements in the database of dsn, over a connection of its own.
func (s *Server) Exec(dsn, statements string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		s.t.Fatalf("postgrestest: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, statements).ReadAll(); err != nil {
		s.t.Fatalf("postgrestest: %s: %v", statements, err)
	}
}

// Stop ends the server at once, as a crash does: connections break, what was
// not committed is gone. It does nothing when the server is stopped.
func (s *Server) Stop() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	if err := s.running.stop(); err != nil {
		s.t.Errorf("postgrestest: stopping: %v", err)
	}
	s.running = nil
}

// Start starts the server after Stop, with all that was committed. It returns
// when connections are taken, and does nothing when the server runs.
func (s *Server) Start() {
	s.t.Helper()
	if s.running != nil {
		return
	}
	args := []string{
		"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_checkpoints=off",
		"-c", "log_min_messages=warning",
	}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	p, err := start(s.command("postgres", args...))
	if err != nil {
		s.t.Fatalf("postgrestest: starting: %v", err)
	}
	s.running = p
}

func (s *Server) initialise() {
	s.t.Helper()
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	init := s.command("initdb", "-D", s.data(), "-U", User, "--pwfile", password,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	if out, err := init.CombinedOutput(); err != nil {
		s.t.Fatalf("postgrestest: initdb: %v\n%s", err, out)
	}
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = attributes()
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) dsn(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(User, Password), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}}.Encode(),
	}
	return u.String()
}

// directory makes a folder that the server may own. Not t.TempDir: the path of
// a unix socket is at most 107 bytes, and a test's name may be longer.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "daybook-pg-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("postgrestest: %v", err)
		}
	})
	if err := give(dir); err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	return dir
}

// programs returns the folder that has the server's programs: of the PATH, else
// of the newest version where distributions put them.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	newest, version := "", 0
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb"} {
		found, _ := filepath.Glob(pattern) // the patterns are good
		for _, path := range found {
			if v := versionIn(path); v >= version {
				newest, version = filepath.Dir(path), v
			}
		}
	}
	if newest == "" {
		return "", fmt.Errorf("no initdb in the PATH or below /usr/lib/postgresql (Debian: apt-get install postgresql)")
	}
	return newest, nil
}

// versionIn returns the last number in a path.
func versionIn(path string) (v int) {
	inside := false
	for _, r := range path {
		if r < '0' || r > '9' {
			inside = false
			continue
		}
		if !inside {
			v, inside = 0, true
		}
		v = v*10 + int(r-'0')
	}
	return v
}
