package nats_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	client "github.com/nats-io/nats.go"

	"daybook.dev/sink/internal/peer"
)

// servePeer starts a server whose one stream is in memory and keeps little.
func servePeer() (address string, err error) {
	folder, err := os.MkdirTemp("", "daybook-nats")
	if err != nil {
		return "", err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: folder, NoLog: true, NoSigs: true})
	if err != nil {
		return "", err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return "", errors.New("the server does not start")
	}
	conn, err := client.Connect(s.ClientURL())
	if err != nil {
		return "", err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return "", err
	}
	_, err = js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "BENCH", Subjects: []string{subject}, Storage: jetstream.MemoryStorage, MaxMsgs: 1000})
	return s.ClientURL(), err
}

// BenchmarkWrite writes batches of 500 events of 500 bytes.
func BenchmarkWrite(b *testing.B) {
	s := openOnly(b, peer.Start(b))
	batch := events(500)
	for i := range batch {
		batch[i].Metadata = []byte(`{"text":"` + strings.Repeat("x", 360) + `"}`)
	}
	b.ReportAllocs()
	peer.Measure(b, len(batch), func() {
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	})
}
