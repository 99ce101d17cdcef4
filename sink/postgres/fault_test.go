package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook.dev"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/postgres/postgrestest"
	"daybook.dev/sink/sinktest"
)

// wantCode fails the test unless err has code, a cause and no secrets.
func wantCode(t *testing.T, err error, code daybook.Code, reason string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if daybook.CodeOf(err) != code || !strings.Contains(fmt.Sprintf("%+v", err), "postgres: ") {
		t.Errorf("error is %v (%v), want %v", err, daybook.CodeOf(err), code)
	}
	if e, ok := errors.AsType[*daybook.Error](err); !ok || e.Reason != reason {
		t.Errorf("error is %+v, want reason %s", err, reason)
	}
	sinktest.CheckText(t, err, postgrestest.Password, postgrestest.User)
}

func TestR13(t *testing.T) {
	server := postgrestest.Start(t)
	t.Run("what a person must mend is misconfigured", func(t *testing.T) { testMisconfigured(t, server) })
	t.Run("every SQLSTATE has its class", func(t *testing.T) { testStates(t, server) })
	t.Run("connections that are killed lose and double nothing", func(t *testing.T) { testKilled(t, server) })
	t.Run("an answer that is lost after the commit doubles nothing", func(t *testing.T) { testLostAnswer(t, server) })
	t.Run("a server that only reads is waited for", func(t *testing.T) { testReadOnly(t, server) })
}

func testMisconfigured(t *testing.T, server *postgrestest.Server) {
	_, dsn := open(t, server)
	server.Exec(dsn, "CREATE ROLE looker LOGIN PASSWORD 'see'; CREATE TABLE narrow (event_id text, scope text, PRIMARY KEY (event_id, scope))")
	for name, c := range map[string]struct {
		dsn, table string
		change     string
		code       daybook.Code
		reason     string
	}{
		"a wrong password":        {dsn: strings.Replace(dsn, postgrestest.Password, "guess", 1), code: daybook.Unauthenticated, reason: "login_refused"},
		"a user nobody knows":     {dsn: strings.Replace(dsn, postgrestest.User, "ghost", 1), code: daybook.Unauthenticated, reason: "login_refused"},
		"a database nobody made":  {dsn: strings.Replace(dsn, "/test", "/absent", 1), code: daybook.Unimplemented, reason: "database_missing"},
		"no right to write":       {dsn: strings.Replace(dsn, postgrestest.User+":"+postgrestest.Password, "looker:see", 1), code: daybook.Denied, reason: "permission_denied"},
		"no table":                {dsn: dsn, table: "absent", code: daybook.Unimplemented, reason: "table_missing"},
		"no schema":               {dsn: dsn, table: "absent.events", code: daybook.Unimplemented, reason: "table_missing"},
		"a column that is absent": {dsn: dsn, table: "narrow", code: daybook.Unimplemented, reason: "table_shape"},
		"a column of another type": {
			dsn: dsn, change: "ALTER TABLE daybook_events ALTER COLUMN event_ts TYPE int USING 0", code: daybook.Unimplemented, reason: "table_shape",
		},
		"no key": {dsn: dsn, change: "ALTER TABLE daybook_events DROP CONSTRAINT daybook_events_pkey", code: daybook.Unimplemented, reason: "table_shape"},
		"a column that no event fills": {
			dsn: dsn, change: "ALTER TABLE daybook_events ADD COLUMN team text NOT NULL", code: daybook.Unimplemented, reason: "table_shape",
		},
		"no partition": {
			dsn: dsn, change: `DROP TABLE daybook_events; CREATE TABLE daybook_events (event_id text, scope text, event_name text, event_type text,
				actor_id text, event_ts timestamptz, ingested_at timestamptz DEFAULT now(), received_at timestamptz, caller text, protocol text, instance text,
				idempotency_key text, sample_rate float8, metadata jsonb, metadata_text text, PRIMARY KEY (event_id, scope)) PARTITION BY HASH (event_id)`,
			code: daybook.Unimplemented, reason: "table_shape",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change != "" {
				_, c.dsn = open(t, server)
				server.Exec(c.dsn, c.change)
			}
			s := openOn(t, postgres.Config{DSN: c.dsn, Table: c.table})
			wantCode(t, s.Write(t.Context(), sinktest.Events("e", 3)), c.code, c.reason)
		})
	}
}

// A trigger says what no test can make a server say on demand.
func testStates(t *testing.T, server *postgrestest.Server) {
	s, dsn := open(t, server)
	for state, code := range map[string]daybook.Code{
		"08006": daybook.Unavailable, "25006": daybook.Unavailable, "40001": daybook.Unavailable, "40P01": daybook.Unavailable,
		"55P03": daybook.Unavailable, "57014": daybook.Unavailable, "57P01": daybook.Unavailable, "57P03": daybook.Unavailable,
		"53100": daybook.Exhausted, "53200": daybook.Exhausted, "53300": daybook.Exhausted,
		"28P01": daybook.Unauthenticated, "42501": daybook.Denied, "3D000": daybook.Unimplemented, "42P01": daybook.Unimplemented,
		"0A000": daybook.Unimplemented, "XX000": daybook.Internal, "58030": daybook.Internal, "ABCDE": daybook.Internal,
		"22P02": daybook.Invalid, "23514": daybook.Unimplemented, "23503": daybook.Invalid, "23505": daybook.Conflict, "54000": daybook.Invalid,
	} {
		server.Exec(dsn, `CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE '`+sinktest.Canary+` %', NEW.actor_id USING ERRCODE = '`+state+`'; END $$;
			CREATE OR REPLACE TRIGGER g BEFORE INSERT ON daybook_events FOR EACH ROW EXECUTE FUNCTION f()`)
		err := s.Write(t.Context(), sinktest.Events("e", 2))
		if daybook.CodeOf(err) != code {
			t.Errorf("%s: %v (%v), want %v", state, err, daybook.CodeOf(err), code)
		}
		if err != nil {
			sinktest.CheckText(t, err, postgrestest.Password)
		}
	}
}

// A server that was the primary keeps its connections, which go on reading
// only: after the failover new ones have to be made.
func testReadOnly(t *testing.T, server *postgrestest.Server) {
	_, dsn := open(t, server)
	database := query(t, dsn, "SELECT current_database()")[0][0]
	server.Exec(server.DSN(), "ALTER DATABASE "+database+" SET default_transaction_read_only = on")
	s := openOn(t, postgres.Config{DSN: dsn})
	wantCode(t, s.Write(t.Context(), sinktest.Events("e", 1)), daybook.Unavailable, "read_only")

	server.Exec(server.DSN(), "ALTER DATABASE "+database+" RESET default_transaction_read_only")
	if err := s.Write(t.Context(), sinktest.Events("e", 1)); err != nil {
		t.Errorf("after the failover: %v", err)
	}
}

func TestR13TooManyConnectionsIsWaitedFor(t *testing.T) {
	server := postgrestest.Start(t, "max_connections=3", "superuser_reserved_connections=0")
	_, dsn := open(t, server)
	crowded := openOn(t, postgres.Config{DSN: dsn})
	var others []*pgx.Conn
	eventually(t, func() bool { // until the connection that made the table has left
		conn, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			others = append(others, conn)
		}
		return err != nil
	})
	wantCode(t, crowded.Write(t.Context(), sinktest.Events("e", 1)), daybook.Exhausted, "too_many_connections")
	for _, conn := range others {
		conn.Close(t.Context())
	}
	eventually(t, func() bool { return crowded.Write(t.Context(), sinktest.Events("e", 1)) == nil })
}

func testKilled(t *testing.T, server *postgrestest.Server) {
	_, dsn := open(t, server)
	s := openOn(t, postgres.Config{DSN: dsn + "&application_name=victim"})
	const writers, writes, size = 4, 25, 20
	var failures atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	var killing, writing sync.WaitGroup
	killing.Go(func() {
		killer := connect(t, dsn)
		defer killer.Close(context.Background())
		for ctx.Err() == nil {
			killer.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim' AND random() < 0.3")
		}
	})
	for w := range writers {
		writing.Go(func() {
			for n := range writes {
				events := sinktest.Events(fmt.Sprintf("%d-%d", w, n), size)
				for err := s.Write(t.Context(), events); err != nil; err = s.Write(t.Context(), events) {
					failures.Add(1)
					if !sinktest.Passing(err) {
						t.Errorf("error is %v (%v)", err, daybook.CodeOf(err))
						return
					}
				}
			}
		})
	}
	writing.Wait()
	stop()
	killing.Wait()
	t.Logf("%d of %d Writes failed and were repeated", failures.Load(), writers*writes+failures.Load())
	if got := query(t, dsn, "SELECT count(*) FROM daybook_events"); got[0][0] != fmt.Sprint(writers*writes*size) {
		t.Errorf("rows: %v", got)
	}
}

func testLostAnswer(t *testing.T, server *postgrestest.Server) {
	_, dsn := open(t, server)
	p := intercept(t, dsn)
	s := openOn(t, postgres.Config{DSN: p.dsn})
	if err := s.Write(t.Context(), sinktest.Events("before", 1)); err != nil {
		t.Fatal(err)
	}
	p.cut.Store(true)
	wantCode(t, s.Write(t.Context(), sinktest.Events("e", 3)), daybook.Unavailable, "server_unavailable")
	const look = "SELECT event_id, ingested_at FROM daybook_events WHERE event_id LIKE 'e-%' ORDER BY 1"
	stored := query(t, dsn, look)
	if len(stored) != 3 {
		t.Fatalf("stored before the answer was lost: %v", stored)
	}

	p.cut.Store(false)
	if err := s.Write(t.Context(), sinktest.Events("e", 3)); err != nil {
		t.Fatal(err)
	}
	if again := query(t, dsn, look); fmt.Sprint(again) != fmt.Sprint(stored) {
		t.Errorf("stored %v, and after the repetition %v", stored, again)
	}
}

func TestR13AHostThatNeverAnswersIsGivenUpInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // what connects is queued, and nobody accepts
	s := openOn(t, postgres.Config{DSN: "postgres://user@" + silent.Addr().String() + "/events", Timeout: 200 * time.Millisecond})
	wantCode(t, s.Write(t.Context(), sinktest.Events("e", 1)), daybook.Unavailable, "server_unavailable")
	if _, err := s.Missing(t.Context()); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("Missing: %v", err)
	}
}

// A proxy stands before the server. While cut is set it passes on what the sink
// says, and answers with the end of the connection.
type proxy struct {
	dsn string
	cut atomic.Bool
}

func intercept(t *testing.T, dsn string) *proxy {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{dsn: strings.Replace(dsn, strings.ReplaceAll(c.Host, "/", "%2F"), strings.ReplaceAll(dir, "/", "%2F"), 1)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(c.Host, socket))
			if err != nil {
				t.Error(err)
				return
			}
			serving.Go(func() { io.Copy(server, client); server.Close() })
			serving.Go(func() { io.Copy(answers{client, p}, server); client.Close() })
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return p
}

// answers is the way back to the sink.
type answers struct {
	net.Conn

	proxy *proxy
}

func (a answers) Write(b []byte) (int, error) {
	if a.proxy.cut.Load() {
		return 0, net.ErrClosed
	}
	return a.Conn.Write(b)
}

// eventually waits for what the server does by itself, after it was asked.
func eventually(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !what(); {
		if time.Now().After(end) {
			t.Fatal("it did not happen in a minute")
		}
	}
}
