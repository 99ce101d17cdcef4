package serve

import (
	"context"

	"daybook.dev"
	"daybook.dev/sink/postgres"
)

// postgresOptions are the keys of a table in PostgreSQL.
type postgresOptions struct {
	URL         Secret `usage:"postgres://user:password@host:5432/database?sslmode=verify-full"`
	Table       string `default:"daybook_events" usage:"table that gets a row per event, with its schema or without"`
	Connections int    `default:"4" usage:"connections at most"`
}

func postgresKind() kind {
	return kind{
		word: "postgres", confirms: true,
		options: func() any { return new(postgresOptions) },
		open: func(ctx context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*postgresOptions)
			return postgres.Open(ctx, postgres.Config{
				DSN: string(o.URL), Table: o.Table, MaxConns: o.Connections, Timeout: d.Timeout,
			})
		},
	}
}
