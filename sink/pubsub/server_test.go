package pubsub_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink/internal/peer"
	"daybook.dev/sink/pubsub"
)

func TestMain(m *testing.M) {
	peer.Serve(blackhole)
	goleak.VerifyTestMain(need.Time(m, goleak.Find))
}

const (
	project = "project"
	topic   = "events"
)

// A fault answers a request in the place of the fake: nil, nil passes it on.
type fault func(context.Context, *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error)

// A server is the fake of Pub/Sub's library behind a door of our own, where
// faults are made.
type server struct {
	*pstest.Server
	address string

	mu       sync.Mutex // guards what follows
	fault    fault
	requests []*pubsubpb.PublishRequest
}

// start starts a server that has no topic.
func start(t testing.TB) *server {
	t.Helper()
	s := &server{Server: pstest.NewServer()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	door := grpc.NewServer(grpc.MaxRecvMsgSize(10_000_000), grpc.UnaryInterceptor(s.intercept)) // what Pub/Sub takes
	pubsubpb.RegisterPublisherServer(door, &s.GServer)
	var serving sync.WaitGroup
	serving.Go(func() { _ = door.Serve(listener) })
	t.Cleanup(func() {
		door.Stop()
		serving.Wait()
		_ = s.Close()
	})
	return s
}

func (s *server) intercept(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	publish, ok := request.(*pubsubpb.PublishRequest)
	if !ok {
		return handle(ctx, request)
	}
	s.mu.Lock()
	fault := s.fault
	s.requests = append(s.requests, publish)
	s.mu.Unlock()
	if fault != nil {
		if answer, err := fault(ctx, publish); answer != nil || err != nil {
			return answer, err
		}
	}
	return handle(ctx, request)
}

// answerWith makes f answer from now on; nil ends that.
func (s *server) answerWith(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// seen returns the requests so far, and forgets them.
func (s *server) seen() []*pubsubpb.PublishRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.requests
	s.requests = nil
	return seen
}

// refuse makes a fault that answers with an error.
func refuse(err error) fault {
	return func(context.Context, *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) { return nil, err }
}

// hang is the fault that never answers.
func hang(ctx context.Context, _ *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// ids returns the event ids of what was published, in order.
func (s *server) ids() []string {
	var ids []string
	for _, m := range s.Messages() {
		ids = append(ids, m.Attributes["event_id"])
	}
	return ids
}

// open opens a sink, makes its topic and closes it with the test.
func (s *server) open(t testing.TB, change ...func(*pubsub.Config)) *pubsub.Sink {
	t.Helper()
	sink := s.openOnly(t, change...)
	if err := sink.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sink
}

func (s *server) openOnly(t testing.TB, change ...func(*pubsub.Config)) *pubsub.Sink {
	t.Helper()
	config := pubsub.Config{Project: project, Topic: topic, Emulator: s.address, Timeout: time.Minute}
	for _, f := range change {
		f(&config)
	}
	sink, err := pubsub.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSink(t, sink) })
	return sink
}

func closeSink(t testing.TB, s daybook.Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func events(n int) []daybook.Event {
	all := make([]daybook.Event, n)
	for i := range all {
		all[i] = daybook.Event{ID: "e" + strconv.Itoa(i), Name: "login-success", Type: daybook.Behavioral, Time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	}
	return all
}
