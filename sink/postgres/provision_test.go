package postgres_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/postgres"
	"daybook.dev/sink/postgres/postgrestest"
	"daybook.dev/sink/sinktest"
)

const ddl = `CREATE TABLE "daybook_events" (
	event_id text NOT NULL,
	scope text NOT NULL,
	event_name text NOT NULL,
	event_type text,
	actor_id text,
	event_ts timestamp with time zone NOT NULL,
	ingested_at timestamp with time zone NOT NULL DEFAULT now(),
	received_at timestamp with time zone,
	caller text,
	protocol text,
	instance text,
	idempotency_key text,
	sample_rate double precision,
	metadata jsonb,
	metadata_text text,
	PRIMARY KEY (event_id, scope)
)`

func TestProvisioning(t *testing.T) {
	server := postgrestest.Start(t)
	t.Run("missing says what has to be made", func(t *testing.T) { testMissing(t, server) })
	t.Run("what only a person may change is said and left alone", func(t *testing.T) { testPerson(t, server) })
}

func testMissing(t *testing.T, server *postgrestest.Server) {
	t.Run("the whole table, as DDL", func(t *testing.T) {
		s := openOn(t, postgres.Config{DSN: server.Database()})
		wantMissing(t, s, ddl,
			`CREATE INDEX ON "daybook_events" (event_ts)`, `CREATE INDEX ON "daybook_events" (event_name, event_ts)`)
		mustCreate(t, s)
		wantMissing(t, s)
		mustCreate(t, s)
	})
	t.Run("a schema, and names that need quotes", func(t *testing.T) {
		s := openOn(t, postgres.Config{DSN: server.Database(), Table: `Product data.the "events"`})
		missing, err := s.Missing(t.Context())
		if err != nil || len(missing) != 4 || missing[0] != `CREATE SCHEMA "Product data"` {
			t.Fatalf("missing: %q, %v", missing, err)
		}
		mustCreate(t, s)
		wantMissing(t, s)
		if err := s.Write(t.Context(), sinktest.Events("e", 2)); err != nil {
			t.Error(err)
		}
	})
	t.Run("a column that may be NULL is made", func(t *testing.T) {
		s, dsn := open(t, server)
		server.Exec(dsn, "ALTER TABLE daybook_events DROP COLUMN metadata_text, DROP COLUMN ingested_at")
		wantMissing(t, s,
			`ALTER TABLE "daybook_events" ADD COLUMN ingested_at timestamp with time zone NOT NULL DEFAULT now()`,
			`ALTER TABLE "daybook_events" ADD COLUMN metadata_text text`)
		mustCreate(t, s)
		wantMissing(t, s)
	})
	t.Run("the key of a table that somebody else made", func(t *testing.T) {
		s, dsn := open(t, server)
		server.Exec(dsn, "ALTER TABLE daybook_events DROP CONSTRAINT daybook_events_pkey; CREATE UNIQUE INDEX ON daybook_events (event_id) INCLUDE (scope)")
		wantMissing(t, s, `CREATE UNIQUE INDEX ON "daybook_events" (event_id, scope)`)
		mustCreate(t, s)
		wantMissing(t, s)
	})
	t.Run("creators at the same time are in nobody's way", func(t *testing.T) {
		s := openOn(t, postgres.Config{DSN: server.Database(), Table: "fresh.events"})
		var creating sync.WaitGroup
		for range 4 {
			creating.Go(func() {
				if err := s.Create(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		creating.Wait()
		wantMissing(t, s)
	})
}

func testPerson(t *testing.T, server *postgrestest.Server) {
	for change, want := range map[string]string{
		"ALTER COLUMN metadata TYPE text":       `column metadata has type text, not jsonb: ALTER TABLE "daybook_events" ALTER COLUMN metadata TYPE jsonb`,
		"ALTER COLUMN event_ts TYPE timestamp":  `column event_ts has type timestamp without time zone, not timestamp with time zone: ALTER TABLE "daybook_events" ALTER COLUMN event_ts TYPE timestamp with time zone`,
		"ALTER COLUMN actor_id SET NOT NULL":    `column actor_id demands a value that not every event has: ALTER TABLE "daybook_events" ALTER COLUMN actor_id DROP NOT NULL`,
		"ALTER COLUMN ingested_at DROP DEFAULT": `column ingested_at has no default: ALTER TABLE "daybook_events" ALTER COLUMN ingested_at SET DEFAULT now()`,
		`ADD COLUMN "Team" text NOT NULL`:       `column "Team" is not one of ours and demands a value: ALTER TABLE "daybook_events" ALTER COLUMN "Team" DROP NOT NULL`,
		"DROP COLUMN event_name":                `column event_name is missing: ALTER TABLE "daybook_events" ADD COLUMN event_name text NOT NULL`,
		"OWNER TO keeper; CREATE ROLE looker LOGIN PASSWORD 'see'; GRANT SELECT ON daybook_events TO looker": `the role may not write: GRANT INSERT, SELECT ON "daybook_events" TO "looker"`,
	} {
		t.Run(want, func(t *testing.T) {
			s, dsn := open(t, server)
			server.Exec(dsn, "ALTER TABLE daybook_events "+change)
			if strings.Contains(change, "looker") {
				s = openOn(t, postgres.Config{DSN: strings.Replace(dsn, postgrestest.User+":"+postgrestest.Password, "looker:see", 1)})
			}
			wantMissing(t, s, want)
			if err := s.Create(t.Context()); daybook.CodeOf(err) != daybook.Unimplemented || !strings.Contains(err.Error(), want) {
				t.Errorf("Create: %v", err)
			}
			wantMissing(t, s, want)
		})
	}
	t.Run("what nobody has to change is no reason to complain", func(t *testing.T) {
		s, dsn := open(t, server)
		server.Exec(dsn, `ALTER TABLE daybook_events ALTER COLUMN event_name TYPE varchar,
			ADD COLUMN team text NOT NULL DEFAULT 'none', ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY, ADD COLUMN note text`)
		wantMissing(t, s)
		if err := s.Write(t.Context(), sinktest.Events("e", 2)); err != nil {
			t.Error(err)
		}
	})
}

func wantMissing(t *testing.T, s *postgres.Sink, want ...string) {
	t.Helper()
	missing, err := s.Missing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(missing, want) {
		t.Errorf("missing:\n%s\nwant:\n%s", strings.Join(missing, "\n"), strings.Join(want, "\n"))
	}
}

func mustCreate(t *testing.T, s *postgres.Sink) {
	t.Helper()
	if err := s.Create(t.Context()); err != nil {
		t.Fatal("Create:", err)
	}
}
