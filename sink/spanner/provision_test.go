package spanner_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	database "cloud.google.com/go/spanner/admin/database/apiv1"
	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/spanner"
	"daybook.dev/sink/spanner/spannertest"
)

const ddl = "CREATE TABLE `NestEventLog` (\n" +
	"\tevent_id STRING(36) NOT NULL,\n" +
	"\tevent_name STRING(MAX) NOT NULL,\n" +
	"\tevent_type STRING(MAX),\n" +
	"\tactor_id STRING(MAX),\n" +
	"\tevent_ts TIMESTAMP NOT NULL,\n" +
	"\tmetadata JSON,\n" +
	"\tingested_at TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),\n" +
	"\tmetadata_text STRING(MAX),\n" +
	") PRIMARY KEY (event_id)"

// servers returns those that the machine has; the fake always.
func servers(t *testing.T) map[string]server {
	t.Helper()
	all := map[string]server{"fake": spannertest.StartFake(t)}
	t.Run("emulator", func(t2 *testing.T) {
		spannertest.Look(t2) // shows as skipped where there is none
		all["emulator"] = spannertest.StartEmulator(t)
	})
	return all
}

// makeTable runs a statement of DDL.
func makeTable(t *testing.T, s server, name string, statements ...string) {
	t.Helper()
	conn, err := grpc.NewClient(s.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c, err := database.NewDatabaseAdminClient(t.Context(), option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	operation, err := c.UpdateDatabaseDdl(t.Context(), &databasepb.UpdateDatabaseDdlRequest{Database: name, Statements: statements})
	if err == nil {
		err = operation.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestMissingSaysWhatHasToBeMade(t *testing.T) {
	for name, s := range servers(t) {
		t.Run(name, func(t *testing.T) {
			opened := openOn(t, spanner.Config{Database: s.Database(), Emulator: s.Address()})
			wantMissing(t, opened, ddl)
			var creating sync.WaitGroup
			for range 3 { // creators at the same time are in nobody's way
				creating.Go(func() {
					if err := opened.Create(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			creating.Wait()
			wantMissing(t, opened)
		})
	}
}

func TestTheTableOfTheContractIsTaken(t *testing.T) {
	emulator := spannertest.StartEmulator(t)
	name := emulator.Database()
	emulator.Exec(name, `CREATE SCHEMA product`, `CREATE TABLE product.Events (
		event_id STRING(36) NOT NULL, event_name STRING(200) NOT NULL, event_type STRING(MAX), actor_id STRING(MAX), event_ts TIMESTAMP NOT NULL,
		value FLOAT64, metadata JSON, ingested_at TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
		shard INT64 NOT NULL AS (MOD(FARM_FINGERPRINT(event_id), 8)) STORED, team STRING(10) NOT NULL DEFAULT ('none'),
	) PRIMARY KEY (event_id)`, `CREATE INDEX product.ByShard ON product.Events (shard, event_ts)`)
	s := openOn(t, spanner.Config{Database: name, Emulator: emulator.Address(), Table: "product.Events"})
	wantMissing(t, s)
	for range 2 {
		if err := s.Write(t.Context(), sinktest.Events("e", 3)); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatOnlyAPersonMayChangeIsSaidAndLeftAlone(t *testing.T) {
	emulator := spannertest.StartEmulator(t)
	for _, c := range []struct{ old, changed, want string }{
		{"metadata JSON", "metadata STRING(MAX)", "column metadata has type STRING(MAX), not JSON: ALTER TABLE `NestEventLog` ALTER COLUMN metadata JSON"},
		{"event_ts TIMESTAMP", "event_ts INT64", "column event_ts has type INT64, not TIMESTAMP: ALTER TABLE `NestEventLog` ALTER COLUMN event_ts TIMESTAMP"},
		{"event_id STRING(36)", "event_id STRING(20)", "column event_id has type STRING(20), not STRING(36): ALTER TABLE `NestEventLog` ALTER COLUMN event_id STRING(36)"},
		{"actor_id STRING(MAX)", "actor_id STRING(MAX) NOT NULL", "column actor_id demands a value that not every event has: ALTER TABLE `NestEventLog` ALTER COLUMN actor_id STRING(MAX)"},
		{" OPTIONS (allow_commit_timestamp = true)", "", "column ingested_at does not take the commit's timestamp: ALTER TABLE `NestEventLog` ALTER COLUMN ingested_at SET OPTIONS (allow_commit_timestamp = true)"},
		{"\tevent_type", "\tteam STRING(9) NOT NULL,\n\tevent_type", "column team is not one of ours and demands a value: ALTER TABLE `NestEventLog` ALTER COLUMN team STRING(9)"},
		{"\tevent_name STRING(MAX) NOT NULL,\n", "", "column event_name is missing: ALTER TABLE `NestEventLog` ADD COLUMN event_name STRING(MAX) NOT NULL"},
		{"(event_id)", "(event_id, event_ts)", "the primary key is (event_id, event_ts), not (event_id): such a table cannot be changed, name another"},
	} {
		t.Run(c.want, func(t *testing.T) {
			name := emulator.Database()
			emulator.Exec(name, strings.Replace(ddl, c.old, c.changed, 1))
			s := openOn(t, spanner.Config{Database: name, Emulator: emulator.Address()})
			wantMissing(t, s, c.want)
			if err := s.Create(t.Context()); daybook.CodeOf(err) != daybook.Unimplemented || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Create: %v", err)
			}
			if strings.HasPrefix(c.want, "the primary key") {
				return // such a table takes events; it only does not know each of them once
			}
			err := s.Write(t.Context(), sinktest.Events("e", 3))
			if strings.Contains(c.want, "metadata has type") || strings.Contains(c.want, "actor_id") {
				return // these events happen to fit
			}
			if daybook.CodeOf(err) != daybook.Unimplemented {
				t.Errorf("Write: %v (%v), want misconfigured", err, daybook.CodeOf(err))
			}
		})
	}
	t.Run("a column that may be NULL is made", func(t *testing.T) {
		name := emulator.Database()
		emulator.Exec(name, strings.Replace(ddl, "\tactor_id STRING(MAX),\n", "", 1))
		s := openOn(t, spanner.Config{Database: name, Emulator: emulator.Address()})
		wantMissing(t, s, "ALTER TABLE `NestEventLog` ADD COLUMN actor_id STRING(MAX)")
		if err := s.Create(t.Context()); err != nil {
			t.Error(err)
		}
		wantMissing(t, s)
	})
}

func wantMissing(t *testing.T, s *spanner.Sink, want ...string) {
	t.Helper()
	missing, err := s.Missing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(missing, want) {
		t.Errorf("missing:\n%s\nwant:\n%s", strings.Join(missing, "\n"), strings.Join(want, "\n"))
	}
}
