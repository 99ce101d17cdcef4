package serve

import (
	"context"

	"daybook.dev"
	"daybook.dev/sink/gateway"
)

// daybookOptions are the keys of another Daybook.
type daybookOptions struct {
	URL          URL    `usage:"its ingest address, such as https://book.example.com"`
	Key          Secret `usage:"key that proves who is sending"`
	Plain        bool   `default:"false" usage:"do not compress requests"`
	AllowPrivate bool   `default:"false" usage:"permit an address on this machine or in a private network"`
}

func daybookKind() kind {
	return kind{
		word: "daybook", confirms: true,
		options: func() any { return new(daybookOptions) },
		open: func(_ context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*daybookOptions)
			return gateway.Open(gateway.Config{
				URL: string(o.URL), Key: string(o.Key), Plain: o.Plain, AllowPrivate: o.AllowPrivate, Timeout: d.Timeout,
			})
		},
	}
}
