package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/sink/postgres/postgrestest"
	"daybook.dev/sink/sinktest"
)

func TestSink(t *testing.T) {
	server := postgrestest.Start(t)
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		s, dsn := open(t, server)
		l := &lock{t: t, dsn: dsn}
		t.Cleanup(func() { server.Start(); l.release() })
		return sinktest.Target{
			Sink:    s,
			Arrived: func(t *testing.T, _ int) []sinktest.Arrival { return arrived(t, dsn) },
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
func arrived(t *testing.T, dsn string) (got []sinktest.Arrival) {
	t.Helper()
	for _, row := range query(t, dsn, "SELECT event_id, event_name, coalesce(metadata_text, metadata::text, '') FROM daybook_events ORDER BY ingested_at") {
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
	t    *testing.T
	dsn  string
	held *pgx.Conn
}

func (l *lock) take() {
	l.held = connect(l.t, l.dsn)
	if _, err := l.held.Exec(context.Background(), "BEGIN; LOCK TABLE daybook_events IN ACCESS EXCLUSIVE MODE", pgx.QueryExecModeSimpleProtocol); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lock) release() {
	if l.held != nil {
		l.held.Close(context.Background())
		l.held = nil
	}
}
