package pubsub_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"

	"daybook.dev/sink/internal/peer"
)

// acknowledging takes every message and keeps none.
type acknowledging struct {
	pubsubpb.UnimplementedPublisherServer
}

func (acknowledging) GetTopic(_ context.Context, r *pubsubpb.GetTopicRequest) (*pubsubpb.Topic, error) {
	return &pubsubpb.Topic{Name: r.GetTopic()}, nil
}

func (acknowledging) Publish(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	ids := make([]string, len(r.GetMessages()))
	for i := range ids {
		ids[i] = "1234567890123456" // as long as they are
	}
	return &pubsubpb.PublishResponse{MessageIds: ids}, nil
}

func blackhole() (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := grpc.NewServer()
	pubsubpb.RegisterPublisherServer(s, acknowledging{})
	go func() { _ = s.Serve(listener) }() // until the process ends
	return listener.Addr().String(), nil
}

// BenchmarkWrite writes batches of 500 events of 500 bytes.
func BenchmarkWrite(b *testing.B) {
	s := (&server{address: peer.Start(b)}).openOnly(b)
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
