package nats_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink"
	"daybook.dev/sink/nats"
)

// answering starts a server without JetStream, in the place of which answer
// speaks: it is called with what is published to pattern.
func answering(t *testing.T, pattern string, answer func(*client.Msg)) string {
	t.Helper()
	srv := start(t, func(o *server.Options) { o.JetStream = false })
	subscribe(t, srv.ClientURL(), pattern, answer)
	return srv.ClientURL()
}

func subscribe(t *testing.T, url, pattern string, answer func(*client.Msg)) {
	t.Helper()
	conn, err := client.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if _, err := conn.Subscribe(pattern, answer); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

// want fails the test unless err has that code and reason.
func want(t *testing.T, err error, code daybook.Code, reason string) {
	t.Helper()
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok || e.Code != code || e.Reason != reason || e.Where != "nats" {
		t.Errorf("error is %v (%v), want %v, %s", err, daybook.CodeOf(err), code, reason)
	}
}

func TestR13EveryAnswerOfAStreamHasItsClass(t *testing.T) {
	var answer string
	url := answering(t, subject, func(m *client.Msg) { _ = m.Respond([]byte(answer)) })
	s := openOnly(t, url)
	for _, test := range []struct {
		answer string
		want   daybook.Code
		reason string
	}{
		{`{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`, daybook.TooLarge, "message_too_large"},
		{`{"error":{"code":400,"err_code":10097}}`, daybook.TooLarge, "message_too_large"},
		{`{"error":{"code":400,"err_code":10060}}`, daybook.Unimplemented, "stream_missing"},
		{`{"error":{"code":503,"err_code":10039}}`, daybook.Unimplemented, "stream_missing"},
		{`{"error":{"code":400,"err_code":10109}}`, daybook.Unimplemented, "stream_missing"},
		{`hello`, daybook.Unimplemented, "stream_missing"},
		{`{}`, daybook.Unimplemented, "stream_missing"},
		{`{"error":{"code":500,"err_code":10047}}`, daybook.Exhausted, "quota_exceeded"},
		{`{"error":{"code":429,"err_code":10167}}`, daybook.Exhausted, "quota_exceeded"},
		{`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`, daybook.Unavailable, "not_ready"},
		{`{"error":{"code":409,"err_code":10158}}`, daybook.Unavailable, "not_ready"},
		{`{"error":{"code":503,"err_code":10008}}`, daybook.Unavailable, "not_ready"},
		{`{"error":{"code":400,"err_code":10003}}`, daybook.Internal, "server_failed"},
	} {
		t.Run(test.answer, func(t *testing.T) {
			answer = test.answer
			want(t, s.Write(t.Context(), events(1)), test.want, test.reason)
		})
	}
	answer = `{"stream":"EVENTS","seq":1,"duplicate":true}`
	if err := s.Write(t.Context(), events(1)); err != nil {
		t.Errorf("a duplicate: %v", err)
	}
}

func TestR13AStreamThatIsNotThere(t *testing.T) {
	t.Run("no stream takes the subject", func(t *testing.T) {
		want(t, openOnly(t, start(t).ClientURL()).Write(t.Context(), events(2)), daybook.Unimplemented, "stream_missing")
	})
	t.Run("JetStream is not enabled", func(t *testing.T) {
		srv := start(t, func(o *server.Options) { o.JetStream = false })
		want(t, openOnly(t, srv.ClientURL()).Write(t.Context(), events(2)), daybook.Unimplemented, "stream_missing")
	})
	t.Run("a stream without a leader will have one again", func(t *testing.T) {
		url := answering(t, "$JS.API.STREAM.NAMES", func(m *client.Msg) {
			_ = m.Respond([]byte(`{"total":1,"offset":0,"limit":1024,"streams":["DAYBOOK"]}`))
		})
		want(t, openOnly(t, url).Write(t.Context(), events(2)), daybook.Unavailable, "not_ready")
	})
}

func TestR13LimitsOfTheStreamConcernOneEvent(t *testing.T) {
	srv := start(t)
	s := openOnly(t, srv.ClientURL())
	makeStream(t, srv.ClientURL(), jetstream.StreamConfig{Name: "SMALL", Subjects: []string{subject}, MaxMsgSize: 1000})
	some := events(20)
	for _, i := range []int{3, 12} {
		some[i].Metadata = []byte(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
	}
	partial, ok := errors.AsType[*daybook.PartialError](s.Write(t.Context(), some))
	if !ok {
		t.Fatal("no partial error")
	}
	var refused []string
	for _, o := range partial.Failed {
		refused = append(refused, o.ID)
		want(t, o.Err, daybook.TooLarge, "message_too_large")
	}
	if !slices.Equal(refused, []string{"e3", "e12"}) {
		t.Errorf("refused: %v", refused)
	}
	if got := ids(t, srv.ClientURL(), 18); len(got) != 18 {
		t.Errorf("%d are stored, want 18", len(got))
	}
}

// makeStream makes a stream.
func makeStream(t *testing.T, url string, config jetstream.StreamConfig) {
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
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func TestR13AFullStreamThatDiscardsNewMessages(t *testing.T) {
	srv := start(t)
	s := openOnly(t, srv.ClientURL())
	makeStream(t, srv.ClientURL(), jetstream.StreamConfig{Name: "FULL", Subjects: []string{subject}, MaxMsgs: 2, Discard: jetstream.DiscardNew})
	partial, ok := errors.AsType[*daybook.PartialError](s.Write(t.Context(), events(3)))
	if !ok || len(partial.Failed) != 1 || partial.Failed[0].ID != "e2" {
		t.Fatalf("error is %v", partial)
	}
	want(t, partial.Failed[0].Err, daybook.Unavailable, "not_ready")
}

func TestACallerWhoLeavesIsNotForgotten(t *testing.T) {
	published, hold := make(chan struct{}, 10), make(chan struct{})
	url := answering(t, subject, func(m *client.Msg) {
		published <- struct{}{}
		<-hold
		_ = m.Respond([]byte(`{"stream":"EVENTS","seq":1}`))
	})
	s := openOnly(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- s.Write(ctx, events(2)) }()
	<-published
	cancel()
	err := <-left
	if want(t, err, daybook.Unavailable, "no_answer"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	close(hold)
	closeSink(t, s)
	if got, want := s.Counts(), (sink.Counts{Failed: 2, Late: 2}); got != want {
		t.Errorf("counts: %+v, want %+v", got, want)
	}
}

func TestR13NobodyWhoAnswers(t *testing.T) {
	url := answering(t, subject, func(*client.Msg) {})
	s := openOnly(t, url, func(config *nats.Config) { config.Timeout = 100 * time.Millisecond })
	want(t, s.Write(t.Context(), events(2)), daybook.Unavailable, "no_answer")
	closeSink(t, s)
	if got, want := s.Counts(), (sink.Counts{Failed: 2}); got != want {
		t.Errorf("counts: %+v, want %+v", got, want)
	}
}

func TestR13AServerThatIsDown(t *testing.T) {
	const nobody = "nats://127.0.0.1:1"
	t.Run("is an error when the sink is opened", func(t *testing.T) {
		_, err := nats.Open(t.Context(), nats.Config{URLs: []string{nobody}, Subject: subject})
		want(t, err, daybook.Unavailable, "server_unavailable")
	})
	t.Run("is none where nobody asks, until something is written", func(t *testing.T) {
		s := openOnly(t, nobody, func(config *nats.Config) { config.Unchecked = true })
		want(t, s.Write(t.Context(), events(2)), daybook.Unavailable, "server_unavailable")
		_, err := s.Missing(t.Context())
		want(t, err, daybook.Unavailable, "server_unavailable")
	})
	t.Run("is used as soon as it is up, with what it had", func(t *testing.T) {
		folder := t.TempDir()
		place := need.Port(t) // its own, also while it is down
		options := func(o *server.Options) { o.StoreDir, o.Port = folder, place }
		srv := start(t, options)
		address := srv.ClientURL()
		s := open(t, address)
		if err := s.Write(t.Context(), events(3)); err != nil {
			t.Fatal(err)
		}
		stop(srv)
		want(t, s.Write(t.Context(), events(5)), daybook.Unavailable, "server_unavailable")
		start(t, options)
		untilTaken(t, s, events(5))
		if got := ids(t, address, 5); !slices.Equal(got, []string{"e0", "e1", "e2", "e3", "e4"}) {
			t.Errorf("stored: %v", got)
		}
	})
}

// untilTaken writes events again and again until they are taken. Only errors
// that pass may come before.
func untilTaken(t *testing.T, s *nats.Sink, some []daybook.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := s.Write(ctx, some)
		if err == nil {
			return
		}
		if ctx.Err() != nil || daybook.CodeOf(err) != daybook.Unavailable {
			t.Fatalf("never taken: %v (%v)", err, daybook.CodeOf(err))
		}
	}
}

func TestR13OneOfThreeServersIsLost(t *testing.T) {
	servers := cluster(t, 3)
	var urls []string
	for _, srv := range servers {
		urls = append(urls, srv.ClientURL())
	}
	s := openOnly(t, strings.Join(urls, ","), func(config *nats.Config) {
		config.Replicas, config.Timeout = 3, 4*time.Second
	})
	if err := create(t, s); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[string]bool{}
	write := func(round string) {
		some := events(50)
		for i := range some {
			some[i].ID = round + some[i].ID
			acknowledged[some[i].ID] = true
		}
		untilTaken(t, s, some)
	}
	write("before-")
	lost := slices.IndexFunc(servers, func(srv *server.Server) bool { return srv.JetStreamIsStreamLeader("$G", "DAYBOOK") })
	if lost < 0 {
		t.Fatal("the stream has no leader")
	}
	stop(servers[lost])
	write("after-")
	got := ids(t, urls[(lost+1)%3], len(acknowledged))
	for _, id := range got {
		if !acknowledged[id] {
			t.Errorf("%s is stored twice, or was never written", id)
		}
		delete(acknowledged, id)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged events are lost", len(acknowledged))
	}
}

// create makes the stream, as soon as the cluster has found itself.
func create(t *testing.T, s *nats.Sink) (err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for err = s.Create(ctx); err != nil && ctx.Err() == nil && daybook.CodeOf(err) == daybook.Unavailable; {
		err = s.Create(ctx)
	}
	return err
}

// cluster starts n servers that know each other.
func cluster(t *testing.T, n int) []*server.Server {
	t.Helper()
	var ports []int
	var routes []*url.URL
	for range n {
		port := need.Port(t)
		ports = append(ports, port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	var servers []*server.Server
	for i, port := range ports {
		servers = append(servers, launch(t, func(o *server.Options) {
			o.ServerName = fmt.Sprint("server-", i)
			o.Cluster = server.ClusterOpts{Name: "daybook", Host: "127.0.0.1", Port: port}
			o.Routes = routes
		}))
	}
	for _, srv := range servers {
		ready(t, srv)
	}
	return servers
}

func TestMissingAndCreate(t *testing.T) {
	srv := start(t)
	s := openOnly(t, srv.ClientURL(), func(config *nats.Config) {
		config.Subject, config.Stream, config.DuplicateWindow = "events.{event_type}", "BOOK", time.Hour
	})
	missing := func(want ...string) {
		t.Helper()
		if got, err := s.Missing(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("missing: %q, %v; want %q", got, err, want)
		}
	}
	missing("nats stream add BOOK --subjects=events.* --storage=file --replicas=1 --dupe-window=1h0m0s --defaults")
	for range 2 {
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	missing()
	t.Run("a stream of another name that takes the subject is said", func(t *testing.T) {
		other := openOnly(t, srv.ClientURL(), func(config *nats.Config) { config.Subject, config.Stream = "events.metric", "OTHER" })
		if _, err := other.Missing(t.Context()); daybook.CodeOf(err) != daybook.Invalid || !strings.Contains(err.Error(), "BOOK") {
			t.Errorf("error is %v", err)
		}
		want(t, other.Write(t.Context(), events(1)), daybook.Unimplemented, "stream_missing")
	})
	t.Run("more replicas than servers are refused", func(t *testing.T) {
		three := openOnly(t, srv.ClientURL(), func(config *nats.Config) { config.Subject, config.Stream, config.Replicas = "more", "MORE", 3 })
		want(t, three.Create(t.Context()), daybook.Unimplemented, "policy")
	})
}
