package serve

import (
	"context"
	"time"

	"daybook.dev"
	"daybook.dev/sink/nats"
)

// natsOptions are the keys of a stream in NATS JetStream.
type natsOptions struct {
	URLs     List   `usage:"servers to begin with, such as nats://localhost:4222; the others are learned from them"`
	Subject  string `usage:"where events are published; the token {event_type} stands for the event's type"`
	Stream   string `usage:"stream that has to take the events (default whichever takes the subject)"`
	Encoding string `default:"flat" words:"flat row cloudevents telemetry-gateway" usage:"what a message is"`

	CredentialsFile string `usage:"file with a user's JWT and seed"`
	NkeyFile        string `usage:"file with a seed alone"`
	User            string `usage:"who logs in"`
	Password        Secret `usage:"and the password"`
	Token           Secret `usage:"instead of user and password"`

	Replicas        int           `default:"1" usage:"servers that have a copy of a stream that migrate makes"`
	DuplicateWindow time.Duration `default:"2m" usage:"for how long a stream that migrate makes recognises an event it has"`
}

func natsKind() kind {
	return kind{
		word: "nats", confirms: true,
		options: func() any { return new(natsOptions) },
		open: func(ctx context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*natsOptions)
			return nats.Open(ctx, nats.Config{
				URLs: o.URLs.items(), Subject: o.Subject, Stream: o.Stream, Encoding: encodingNamed(o.Encoding),
				CredentialsFile: o.CredentialsFile, NKeyFile: o.NkeyFile, User: o.User, Password: string(o.Password), Token: string(o.Token),
				Replicas: o.Replicas, DuplicateWindow: o.DuplicateWindow, Timeout: d.Timeout,
				Unchecked: true, // the gateway starts while its destinations are down
			})
		},
	}
}
