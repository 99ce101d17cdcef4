package nats_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink/internal/peer"
	"daybook.dev/sink/nats"
)

func TestMain(m *testing.M) {
	peer.Serve(servePeer)
	goleak.VerifyTestMain(need.Time(m, goleak.Find))
}

const subject = "events"

// start starts a server with JetStream, after change has been at its options.
func start(t testing.TB, change ...func(*server.Options)) *server.Server {
	t.Helper()
	s := launch(t, change...)
	ready(t, s)
	return s
}

// launch is start without waiting.
func launch(t testing.TB, change ...func(*server.Options)) *server.Server {
	t.Helper()
	options := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true,
	}
	for _, f := range change {
		f(options)
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { stop(s) })
	return s
}

func ready(t testing.TB, s *server.Server) {
	t.Helper()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// open opens a sink on servers, makes its stream and closes it with the test.
func open(t testing.TB, url string, change ...func(*nats.Config)) *nats.Sink {
	t.Helper()
	s := openOnly(t, url, change...)
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func openOnly(t testing.TB, url string, change ...func(*nats.Config)) *nats.Sink {
	t.Helper()
	config := nats.Config{URLs: strings.Split(url, ","), Subject: subject, Timeout: time.Minute}
	for _, f := range change {
		f(&config)
	}
	s, err := nats.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A Write that was given up on may still wait for an answer.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

func closeSink(t testing.TB, s daybook.Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// stored returns what the stream that takes pattern has, in its order, once
// there are at least n.
func stored(t testing.TB, url, pattern string, n int) []jetstream.Msg {
	t.Helper()
	conn, err := client.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		all, err := fetchAll(ctx, js, pattern)
		switch {
		case err == nil && len(all) >= n:
			return all
		case ctx.Err() != nil:
			t.Fatalf("%d messages are stored, want %d: %v", len(all), n, err)
		}
	}
}

// fetchAll fetches what the stream that takes pattern has. It may fail, or miss
// some, while a cluster chooses another leader.
func fetchAll(ctx context.Context, js jetstream.JetStream, pattern string) (all []jetstream.Msg, err error) {
	stream, err := js.StreamNameBySubject(ctx, pattern)
	if err != nil {
		return nil, err
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	info, err := consumer.Info(ctx)
	if err != nil || info.NumPending == 0 {
		return nil, err
	}
	batch, err := consumer.Fetch(int(info.NumPending), jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		all = append(all, m)
	}
	return all, batch.Error()
}

func events(n int) []daybook.Event {
	all := make([]daybook.Event, n)
	for i := range all {
		all[i] = daybook.Event{ID: "e" + strconv.Itoa(i), Name: "login-success", Type: daybook.Behavioral, Time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	}
	return all
}
