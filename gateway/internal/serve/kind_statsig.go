package serve

import (
	"context"

	"daybook.dev"
	"daybook.dev/sink/statsig"
)

// statsigOptions are the keys of a Statsig project.
type statsigOptions struct {
	Key          Secret `usage:"the project's server key"`
	URL          URL    `usage:"another base address (default https://events.statsigapi.net)"`
	Principal    string `default:"service:events" usage:"the user that all events are of"`
	AllowPrivate bool   `default:"false" usage:"permit an address on this machine or in a private network"`
}

func statsigKind() kind {
	return kind{
		word: "statsig", obeys: true,
		options: func() any { return new(statsigOptions) },
		open: func(_ context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*statsigOptions)
			return statsig.Open(statsig.Config{
				Key: string(o.Key), URL: string(o.URL), Principal: o.Principal, AllowPrivate: o.AllowPrivate, Timeout: d.Timeout,
			})
		},
	}
}
