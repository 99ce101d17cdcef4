package postgrestest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"daybook.dev/internal/need"
	"daybook.dev/sink/postgres/postgrestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

func TestWhatWasCommittedSurvivesAnOutage(t *testing.T) {
	server := postgrestest.Start(t)
	dsn := server.Database()
	server.Exec(dsn, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")

	server.Stop()
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		conn.Close(t.Context())
		t.Error("a stopped server takes connections")
	}

	server.Start()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 7 {
		t.Errorf("n = %d, %v", n, err)
	}
}

func TestEveryDatabaseIsAnEmptyOne(t *testing.T) {
	server := postgrestest.Start(t)
	for range 2 {
		server.Exec(server.Database(), "CREATE TABLE same (n int)")
	}
}
