// Package postgres writes events into a PostgreSQL table, a row per event. A
// nil answer from Write means that the rows are committed.
//
// The first write wins: rows are inserted, never updated, and an event that is
// sent again leaves the row it finds as it is, ingested_at included. What
// identifies a row is the event's id together with the scope it is unique in
// (daybook.Origin): two callers who use one id have two rows.
//
// # Metadata
//
// The column metadata is jsonb, which keeps what JSON means and not how it was
// written: members are reordered, spaces go. What jsonb would change beyond
// that, a number with an exponent or a negative zero, is stored in the column
// metadata_text too, exactly as it was sent. What jsonb refuses, or would write
// out as thousands of digits (\u0000, 1e400000), is in metadata_text alone, and
// metadata is NULL. Names within an object are taken to be unique, as the
// gateway has them.
//
// event_ts has microseconds, as the server has; the digits below are cut off.
//
// # Errors
//
// By SQLSTATE, else by what went wrong on the way. A server's own words are
// repeated only where they cannot contain an event.
//
//	SQLSTATE                       what it says                              code
//	22…, 23…, 44000, 54…, P0001    this row is not acceptable                Invalid; Conflict for another unique key (23505)
//	23502 of a foreign column      the table asks for what no event has      Unimplemented
//	23514 without a constraint     no partition takes the row                Unimplemented
//	28…                            password or certificate is wrong          Unauthenticated
//	42501                          the role may not do this                  Denied
//	3D000, 3F000, other 42…, 0A…   no such database, table, column, type     Unimplemented
//	53…                            disk, memory or connections are used up   Exhausted
//	08…, 25006, 40…, 55…, 57…      connection, failover, deadlock, restart   Unavailable
//	none                           not reached, cut off, or out of time      Unavailable
//	other                          a defect of the server                    Internal
//
// A row that is not acceptable is found by halving the batch; the others are
// stored, and a *daybook.PartialError names it.
//
// # Poolers
//
// Every Write is one statement in one round trip, without a transaction block
// and without prepared statements that outlive it, so PgBouncer may stand
// between in any pooling mode. For poolers that do not know the extended
// protocol add default_query_exec_mode=simple_protocol to the DSN.
package postgres

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook.dev"
	"daybook.dev/sink/internal/gate"
)

// A Config says where events go. DSN is required; every other zero value works.
type Config struct {
	// DSN is how to connect: postgres://user:password@host:5432/database, or
	// pairs such as "host=db dbname=events". What it leaves out is taken from
	// the environment (PGPASSWORD, …) as psql does.
	DSN string

	// Table is where rows go, with its schema or without: then the role's
	// search path finds it. Zero means "daybook_events".
	Table string

	// MaxConns bounds the connections. They are made when they are needed.
	// Zero means 4.
	MaxConns int

	// Timeout bounds one statement, within the caller's context. Zero means 30s.
	Timeout time.Duration
}

const (
	defaultTable    = "daybook_events"
	defaultMaxConns = 4
	defaultTimeout  = 30 * time.Second
	connectTimeout  = 10 * time.Second // where the DSN does not say
)

// A Sink writes events into a table. Make one with [Open]. It implements
// daybook.Sink and sink.Provisioner.
type Sink struct {
	pool    *pgxpool.Pool
	table   table
	insert  string // the statement that Write runs
	timeout time.Duration
	now     func() time.Time
	gate    *gate.Gate
	release sync.Once // of the pool
}

// Open returns the sink that a configuration describes. It connects to nothing:
// the server may be down. An error means that the configuration cannot be
// right. Ctx lends its values to connections and may end.
func Open(ctx context.Context, c Config) (*Sink, error) {
	name := c.Table
	if name == "" {
		name = defaultTable
	}
	t, err := parseTable(name)
	if err != nil {
		return nil, err
	}
	pc, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, failure(err)
	}
	return &Sink{
		pool:    pool,
		table:   t,
		insert:  t.insert(),
		timeout: orDefault(c.Timeout, defaultTimeout),
		now:     time.Now,
		gate:    gate.New(),
	}, nil
}

func orDefault[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// poolConfig reads the DSN. Its text is never repeated: it may hold a password,
// and a DSN that cannot be read cannot be masked either.
func poolConfig(c Config) (*pgxpool.Config, error) {
	if strings.TrimSpace(c.DSN) == "" {
		return nil, misconfigured("url", "the DSN is missing; write for example postgres://user:password@localhost:5432/events")
	}
	if c.MaxConns < 0 {
		return nil, misconfigured("connections", "the number of connections cannot be negative")
	}
	if c.Timeout < 0 {
		return nil, misconfigured("timeout", "the timeout cannot be negative")
	}
	pc, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, misconfigured("url", "the DSN cannot be read, or names a file that is not there; write for example postgres://user:password@localhost:5432/events")
	}
	pc.MaxConns = int32(min(orDefault(c.MaxConns, defaultMaxConns), 1<<16))
	// An idle connection is tried before it is used; one that hangs is let go.
	pc.PingTimeout = connectTimeout
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	if pc.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// Types are asked for once, statements are not kept on the server: the
		// next one may run on another connection of a pooler.
		pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return pc, nil
}

// misconfigured names the field as a gateway's configuration does.
func misconfigured(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: "invalid_config", Message: message}
}

// Close waits for the Writes under way until ctx ends, then ends them, and
// closes the connections. It may be called again, also at the same time.
func (s *Sink) Close(ctx context.Context) error {
	err := s.gate.Close(ctx)
	s.release.Do(s.pool.Close)
	return err
}
