package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"daybook.dev/internal/need"
	"daybook.dev/sink"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/postgres/postgrestest"
)

var _ sink.Provisioner = (*postgres.Sink)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// open opens a sink on an empty database of server and makes its table.
func open(t *testing.T, server *postgrestest.Server) (s *postgres.Sink, dsn string) {
	t.Helper()
	dsn = server.Database()
	s = openOn(t, postgres.Config{DSN: dsn})
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, dsn
}

func openOn(t testing.TB, c postgres.Config) *postgres.Sink {
	t.Helper()
	s, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
	})
	return s
}

// query returns the rows of a query, each value as text and NULL as "NULL".
func query(t *testing.T, dsn, sql string) [][]string {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close(context.Background())
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var table [][]string
	for _, row := range results[len(results)-1].Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			if texts[i] = string(v); v == nil {
				texts[i] = "NULL"
			}
		}
		table = append(table, texts)
	}
	return table
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
