package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"daybook.dev/sink/internal/peer"
	"daybook.dev/sink/kafka"
)

// blackhole is a cluster that acknowledges and keeps nothing.
func blackhole() (address string, err error) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, topic), kfake.BlackholeProduce())
	if err != nil {
		return "", err
	}
	return c.ListenAddrs()[0], nil
}

// BenchmarkWrite writes batches of 500 events of 500 bytes.
func BenchmarkWrite(b *testing.B) {
	s, err := kafka.Open(b.Context(), kafka.Config{Brokers: []string{peer.Start(b)}, Topic: topic})
	if err != nil {
		b.Fatal(err)
	}
	defer closeSink(b, s)
	batch := events(500)
	for i := range batch {
		batch[i].Metadata = noise(370) // with the others, 500 bytes
	}
	b.ReportAllocs()
	peer.Measure(b, len(batch), func() {
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	})
}
