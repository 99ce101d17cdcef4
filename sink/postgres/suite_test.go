package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/postgres/postgrestest"
	"daybook.dev/sink/sinktest"
)

func TestSink(t *testing.T) {
	server := postgrestest.Start(t)
	dsn, tables := server.Database(), 0
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		tables++
		table := fmt.Sprint("events", tables) // of its own; a database would cost ten times as much
		s := openOn(t, postgres.Config{DSN: dsn, Table: table})
		mustCreate(t, s)
		l := &lock{t: t, dsn: dsn, table: table}
		t.Cleanup(func() { server.Start(); l.release() })
		return sinktest.Target{
			Sink:    s,
			Arrived: func(t *testing.T, _ int) []sinktest.Arrival { return arrived(t, dsn, table) },
			Break:   server.Stop,
			Hang:    l.take,
			Mend:    func() { server.Start(); l.release() },
			Secrets: []string{postgrestest.Password, postgrestest.User},
		}
	}, sinktest.Traits{
		Deduplicates: true, Partial: true, ExactNumbers: true,
		Bad: func(e daybook.Event) daybook.Event {
			e.Name = "a\x00b"
			return e
		},
		// The server that Mend has started.
		Ignore: []goleak.Option{goleak.IgnoreAnyFunction("daybook.dev/sink/postgres/postgrestest.(*process).run")},
	})
}

// arrived returns what the table has: a row is committed when Write returns, so
// there is nothing to wait for.
func arrived(t *testing.T, dsn, table string) (got []sinktest.Arrival) {
	t.Helper()
	for _, row := range query(t, dsn, "SELECT event_id, event_name, coalesce(metadata_text, metadata::text, '') FROM "+table+" ORDER BY ingested_at") {
		a := sinktest.Arrival{ID: row[0], Name: row[1]}
		if row[2] != "" {
			a.Metadata = []byte(row[2])
		}
		got = append(got, a)
	}
	return got
}

// A lock makes every insert wait, as a server does that has stopped answering.
type lock struct {
	t          *testing.T
	dsn, table string
	held       *pgx.Conn
}

func (l *lock) take() {
	l.held = connect(l.t, l.dsn)
	if _, err := l.held.Exec(context.Background(), "BEGIN; LOCK TABLE "+l.table+" IN ACCESS EXCLUSIVE MODE", pgx.QueryExecModeSimpleProtocol); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lock) release() {
	if l.held != nil {
		l.held.Close(context.Background())
		l.held = nil
	}
}
