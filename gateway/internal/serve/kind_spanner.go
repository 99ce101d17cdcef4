package serve

import (
	"context"

	"daybook.dev"
	"daybook.dev/sink/spanner"
)

// spannerOptions are the keys of a table in Cloud Spanner.
type spannerOptions struct {
	Database string `usage:"projects/PROJECT/instances/INSTANCE/databases/DATABASE"`
	Table    string `default:"NestEventLog" usage:"table that gets a row per event"`
	Indexes  int    `default:"8" usage:"secondary indexes the table has at most: each takes a share of a commit's mutations"`
	Emulator string `usage:"host:port of an emulator, without TLS and credentials (default SPANNER_EMULATOR_HOST)"`
}

func spannerKind() kind {
	return kind{
		word: "spanner", confirms: true,
		options: func() any { return new(spannerOptions) },
		open: func(ctx context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*spannerOptions)
			return spanner.Open(ctx, spanner.Config{
				Database: o.Database, Table: o.Table, Indexes: o.Indexes, Emulator: o.Emulator, Timeout: d.Timeout,
			})
		},
	}
}
