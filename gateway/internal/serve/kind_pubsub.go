package serve

import (
	"context"

	"daybook.dev"
	"daybook.dev/sink/pubsub"
)

// pubsubOptions are the keys of a topic in Cloud Pub/Sub.
type pubsubOptions struct {
	Project         string `usage:"id of the Google Cloud project"`
	Topic           string `usage:"topic that gets a message per event"`
	Encoding        string `default:"flat" words:"flat row cloudevents telemetry-gateway" usage:"what a message is"`
	OrderingKey     string `default:"none" words:"none actor" usage:"what a message's ordering key is"`
	CredentialsFile string `usage:"key of a service account (default what the environment has)"`
	Endpoint        string `usage:"where Pub/Sub is reached, such as europe-west1-pubsub.googleapis.com:443 (default the nearest)"`
	Emulator        string `usage:"host:port of an emulator, without TLS and credentials (default PUBSUB_EMULATOR_HOST)"`
}

func pubsubKind() kind {
	return kind{
		word: "pubsub", confirms: true,
		options: func() any { return new(pubsubOptions) },
		open: func(ctx context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*pubsubOptions)
			return pubsub.Open(ctx, pubsub.Config{
				Project: o.Project, Topic: o.Topic, Encoding: encodingNamed(o.Encoding), OrderingKey: pubsub.OrderingKey(o.OrderingKey),
				CredentialsFile: o.CredentialsFile, Endpoint: o.Endpoint, Emulator: o.Emulator, Timeout: d.Timeout,
				Unchecked: true, // the gateway starts while its destinations are down
			})
		},
	}
}
