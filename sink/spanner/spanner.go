// Package spanner writes events into a table of Cloud Spanner (GoogleSQL), a row
// per event. A nil answer from Write means that the rows are committed.
//
// The first write wins: rows are inserted, never updated, so an event that is
// sent again leaves the row it finds as it is, ingested_at included. What
// identifies a row is sink.RowID, in the column event_id.
//
// A batch is one Commit of Insert mutations in a transaction of its own: one
// round trip, no locks held between calls, and cheaper for the server than DML.
// Only where Spanner answers that a row is there already, as it does after an
// answer got lost, the keys are read and what is missing is committed. A commit
// whose answer was lost can therefore be repeated.
//
// # Metadata
//
// Spanner's JSON keeps what a text means and not how it was written: members are
// sorted, 1.50 is read as 1.5. It keeps a number only as far as 64 bits do, and
// some it changes without a word. [Storable] says which texts it would change or
// refuse. Such metadata goes into the column metadata_text, exactly as it was
// sent, with metadata NULL, where the table has that column; where it has not,
// the event is refused, by its name in a *daybook.PartialError. Names within an
// object are taken to be unique, as the gateway has them.
//
// # Errors
//
// By the code of Spanner's answer. Its own words are repeated only where they
// cannot contain an event.
//
//	code                                                  what the sink says
//	INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE   Invalid for the row at fault; Unimplemented when the table's shape is
//	ALREADY_EXISTS of another key than event_id           Conflict for the row
//	NOT_FOUND                                             Unimplemented: no such table, column, database
//	UNIMPLEMENTED                                         Unimplemented
//	PERMISSION_DENIED                                     Denied
//	UNAUTHENTICATED                                       Unauthenticated
//	RESOURCE_EXHAUSTED                                    Exhausted, with RetryAfter where the server says
//	ABORTED, UNAVAILABLE                                  Unavailable, after a few attempts within a second
//	DEADLINE_EXCEEDED, CANCELLED                          Unavailable: it may or may not be stored
//	INTERNAL, UNKNOWN, DATA_LOSS                          Internal
//
// A row at fault is found by halving the batch; the others are stored.
//
// # The client
//
// Of the service's API four calls are used, through the client generated from
// it: one session for many requests at a time, Commit, Read and a query of the
// schema. So every wait and every repetition is this package's own, within the
// caller's context, and nothing is reported to anybody's monitoring.
package spanner

import (
	"context"
	"regexp"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/sink/internal/gate"
)

// A Config says where events go. Database is required; every other zero value
// works. Credentials are the application default ones
// (GOOGLE_APPLICATION_CREDENTIALS, or the machine's own).
type Config struct {
	// Database is projects/PROJECT/instances/INSTANCE/databases/DATABASE.
	Database string

	// Table is where rows go. Zero means "NestEventLog".
	Table string

	// Emulator is the address, host:port, of a Spanner emulator: plain text and
	// no credentials. Zero means what SPANNER_EMULATOR_HOST says, and without it
	// the real service.
	Emulator string

	// Indexes is how many secondary indexes the table has. Each takes a share of
	// the 80,000 mutations that Spanner allows in one commit. Zero means 8.
	Indexes int

	// Timeout bounds one request with its repetitions, within the caller's
	// context. Zero means 30s.
	Timeout time.Duration
}

const (
	defaultTable   = "NestEventLog"
	defaultIndexes = 8
	defaultTimeout = 30 * time.Second
)

// A Sink writes events into a table. Make one with [Open]. It implements
// daybook.Sink and sink.Provisioner.
type Sink struct {
	config  Config // without zero values
	client  *client
	maxRows int // that one commit may carry
	now     func() time.Time
	gate    *gate.Gate
	release sync.Once // of the client

	text textColumn
}

var (
	databaseName = regexp.MustCompile(`^projects/[^/]+/instances/[^/]+/databases/[^/]+$`)
	tableName    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_]{0,127}\.)?[A-Za-z][A-Za-z0-9_]{0,127}$`)
)

// Open returns the sink that a configuration describes. It does not call the
// service, which may be unreachable; an error means that the configuration
// cannot be right, or that there are no credentials. Ctx lends its values to
// looking for them and may end.
func Open(ctx context.Context, c Config) (*Sink, error) {
	c, wrong := complete(c)
	if wrong != nil {
		return nil, wrong
	}
	client, wrong := dial(ctx, c)
	if wrong != nil {
		return nil, wrong
	}
	const mutations = 80_000 // per commit, as Spanner counts: a column is one, and an entry of an index
	return &Sink{
		config:  c,
		client:  client,
		maxRows: max(1, mutations/(len(columns)+c.Indexes)),
		now:     time.Now,
		gate:    gate.New(),
	}, nil
}

// complete returns the configuration with its defaults filled in.
func complete(c Config) (Config, *daybook.Error) {
	if c.Table == "" {
		c.Table = defaultTable
	}
	if c.Indexes == 0 {
		c.Indexes = defaultIndexes
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	switch {
	case !databaseName.MatchString(c.Database):
		return c, misconfigured("database", "the database must be projects/PROJECT/instances/INSTANCE/databases/DATABASE")
	case !tableName.MatchString(c.Table):
		return c, misconfigured("table", "the table's name must be letters, digits and underscores, behind a schema's name and a dot or without")
	case c.Indexes < 0:
		return c, misconfigured("indexes", "the number of indexes cannot be negative")
	case c.Timeout < 0:
		return c, misconfigured("timeout", "the timeout cannot be negative")
	}
	return c, nil
}

func misconfigured(field, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: "invalid_config", Message: message}
}

// Close waits for the Writes under way until ctx ends, then ends them, and
// closes the connections. It may be called again, also at the same time.
func (s *Sink) Close(ctx context.Context) error {
	err := s.gate.Close(ctx)
	s.release.Do(s.client.close)
	return err
}
