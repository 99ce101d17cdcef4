package serve

import (
	"context"
	"crypto/tls"

	"daybook.dev"
	"daybook.dev/sink/kafka"
)

// kafkaOptions are the keys of a topic in Kafka.
type kafkaOptions struct {
	Brokers  List   `usage:"where to begin, as host:port; the others are learned from them"`
	Topic    string `usage:"topic that gets a record per event"`
	Encoding string `default:"flat" words:"flat row cloudevents telemetry-gateway" usage:"what a record's value is"`
	Key      string `default:"none" words:"none actor id" usage:"what a record's key is"`

	TLS       bool   `default:"false" usage:"speak TLS to the brokers"`
	Mechanism string `words:"plain scram-sha-256 scram-sha-512" usage:"log in by SASL (default without)"`
	User      string `usage:"who logs in"`
	Password  Secret `usage:"and the password"`

	MaxMessage Size `usage:"largest event; raise it together with the topic's max.message.bytes (default what brokers take by default)"`
	Partitions int  `usage:"of a topic that migrate makes (default the brokers')"`
	Replicas   int  `usage:"of a topic that migrate makes (default the brokers')"`
}

func kafkaKind() kind {
	return kind{
		word: "kafka", confirms: true,
		options: func() any { return new(kafkaOptions) },
		open: func(ctx context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*kafkaOptions)
			c := kafka.Config{
				Brokers: o.Brokers.items(), Topic: o.Topic, Encoding: encodingNamed(o.Encoding), Key: kafka.Key(o.Key),
				Mechanism: kafka.Mechanism(o.Mechanism), User: o.User, Password: string(o.Password),
				Timeout: d.Timeout, MaxMessageBytes: int(o.MaxMessage), Partitions: o.Partitions, Replicas: o.Replicas,
				Unchecked: true, // the gateway starts while its destinations are down
			}
			if o.TLS {
				c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
			}
			return kafka.Open(ctx, c)
		},
	}
}
