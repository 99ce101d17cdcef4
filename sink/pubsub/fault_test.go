package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"daybook.dev"
	"daybook.dev/sink/pubsub"
	"daybook.dev/sink/sinktest"
)

func TestR13EveryAnswerHasItsClass(t *testing.T) {
	srv := start(t)
	s := srv.open(t)
	for code, test := range map[codes.Code]struct {
		want   daybook.Code
		reason string
	}{
		codes.InvalidArgument:    {daybook.Invalid, "message_refused"},
		codes.OutOfRange:         {daybook.Invalid, "message_refused"},
		codes.NotFound:           {daybook.Unimplemented, "topic_missing"},
		codes.FailedPrecondition: {daybook.Unimplemented, "policy"},
		codes.Unimplemented:      {daybook.Unimplemented, "unsupported"},
		codes.PermissionDenied:   {daybook.Denied, "permission_denied"},
		codes.Unauthenticated:    {daybook.Unauthenticated, "login_refused"},
		codes.ResourceExhausted:  {daybook.Exhausted, "quota_exceeded"},
		codes.Unavailable:        {daybook.Unavailable, "server_unavailable"},
		codes.Aborted:            {daybook.Unavailable, "not_ready"},
		codes.Canceled:           {daybook.Unavailable, "no_answer"},
		codes.DeadlineExceeded:   {daybook.Unavailable, "no_answer"},
		codes.Internal:           {daybook.Internal, "server_failed"},
		codes.Unknown:            {daybook.Internal, "server_failed"},
		codes.DataLoss:           {daybook.Internal, "server_failed"},
	} {
		t.Run(code.String(), func(t *testing.T) {
			srv.answerWith(refuse(status.Error(code, "no")))
			want(t, s.Write(t.Context(), events(1)), test.want, test.reason)
		})
	}
}

func TestR13AQuotaSaysHowLongToWait(t *testing.T) {
	srv := start(t)
	s := srv.open(t)
	exhausted, err := status.New(codes.ResourceExhausted, "no").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	srv.answerWith(refuse(exhausted.Err()))
	e, ok := errors.AsType[*daybook.Error](s.Write(t.Context(), events(2)))
	if !ok || e.RetryAfter != 7*time.Second {
		t.Errorf("error: %+v", e)
	}
	if got := len(srv.seen()); got != 1 {
		t.Errorf("%d requests were made: the wait is the caller's", got)
	}
}

func TestR13AShortOutageIsNotSeen(t *testing.T) {
	srv := start(t)
	s := srv.open(t)
	var failures atomic.Int32
	srv.answerWith(func(context.Context, *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
		if failures.Add(1) <= 2 {
			return nil, status.Error(codes.Unavailable, "no")
		}
		return nil, nil
	})
	if err := s.Write(t.Context(), events(2)); err != nil {
		t.Fatal(err)
	}
	if got := srv.ids(); !slices.Equal(got, []string{"e0", "e1"}) {
		t.Errorf("arrived: %v", got)
	}
}

// refusing makes a fault that refuses requests with one of ids in them, and
// quotes what is in them as Pub/Sub may.
func refusing(ids ...string) fault {
	return func(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
		for _, m := range r.GetMessages() {
			if slices.Contains(ids, m.GetAttributes()["event_id"]) {
				return nil, status.Errorf(codes.InvalidArgument, "bad message %s", m.GetData())
			}
		}
		return nil, nil
	}
}

func TestR13ARefusedRequestNamesOnlyWhatIsAtFault(t *testing.T) {
	srv := start(t)
	s := srv.open(t)
	srv.answerWith(refusing("e17", "e18", "e99"))
	some := events(100)
	for i := range some {
		some[i].Metadata = []byte(`{"secret":"` + sinktest.Canary + `"}`)
	}
	err := s.Write(t.Context(), some)
	if got := refused(err); !slices.Equal(got, []string{"e17", "e18", "e99"}) {
		t.Errorf("refused: %v (%v)", got, err)
	}
	sinktest.CheckText(t, err)
	got := srv.ids()
	if len(got) != 97 || !slices.IsSortedFunc(got, byNumber) {
		t.Errorf("%d arrived, want 97 in order: %v", len(got), got)
	}
}

func byNumber(a, b string) int {
	var x, y int
	fmt.Sscanf(a, "e%d", &x)
	fmt.Sscanf(b, "e%d", &y)
	return x - y
}

func TestR13NothingOvertakesWhatFailed(t *testing.T) {
	srv := start(t)
	s := srv.open(t, func(c *pubsub.Config) { c.OrderingKey = pubsub.OrderingActor })
	some := events(2500) // three requests for each of two actors
	for i := range some {
		some[i].Actor = fmt.Sprint("actor-", i%2)
	}
	var requests atomic.Int32
	srv.answerWith(func(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
		if r.GetMessages()[0].GetOrderingKey() == "actor-0" && requests.Add(1) == 1 {
			return nil, status.Error(codes.Aborted, "no")
		}
		return nil, nil
	})
	partial, ok := errors.AsType[*daybook.PartialError](s.Write(t.Context(), some))
	if !ok || len(partial.Failed) != 1250 {
		t.Fatalf("error is %v", partial)
	}
	for _, m := range srv.Messages() {
		if m.OrderingKey != "actor-1" {
			t.Fatalf("%s has overtaken", m.Attributes["event_id"])
		}
	}
}

func TestNoMoreRequestsThanAllowedAreUnderWay(t *testing.T) {
	srv := start(t)
	s := srv.open(t, func(c *pubsub.Config) { c.MaxRequests, c.OrderingKey = 3, pubsub.OrderingActor })
	var now, most atomic.Int32
	three, more := make(chan struct{}, 200), make(chan struct{})
	srv.answerWith(func(context.Context, *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 3 {
			three <- struct{}{}
		}
		<-more
		return nil, nil
	})
	go func() {
		<-three
		for range 10 { // whatever was sent before these questions has come before they are answered
			_, _ = s.Missing(t.Context())
		}
		close(more)
	}()
	some := events(200)
	for i := range some {
		some[i].Actor = some[i].ID
	}
	if err := s.Write(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	if got := most.Load(); got > 3 {
		t.Errorf("%d requests at the same time", got)
	}
}

func TestR13AWriteEndsWithItsTime(t *testing.T) {
	srv := start(t)
	s := srv.open(t, func(c *pubsub.Config) { c.Timeout = 100 * time.Millisecond })
	srv.answerWith(hang)
	want(t, s.Write(t.Context(), events(2)), daybook.Unavailable, "no_answer")
}

func TestR13AServiceThatIsDown(t *testing.T) {
	const nobody = "127.0.0.1:1"
	t.Run("is an error when the sink is opened", func(t *testing.T) {
		_, err := pubsub.Open(t.Context(), pubsub.Config{Project: project, Topic: topic, Emulator: nobody})
		want(t, err, daybook.Unavailable, "server_unavailable")
	})
	t.Run("is none where nobody asks, and Write says why", func(t *testing.T) {
		s := (&server{address: nobody}).openOnly(t, func(c *pubsub.Config) { c.Unchecked = true })
		err := s.Write(t.Context(), events(2))
		want(t, err, daybook.Unavailable, "server_unavailable")
		if !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestTheEmulatorOfTheEnvironmentIsUsedWhereNoOtherIsNamed(t *testing.T) {
	srv := start(t)
	t.Setenv("PUBSUB_EMULATOR_HOST", srv.address)
	s := srv.open(t, func(c *pubsub.Config) { c.Emulator = "" })
	if err := s.Write(t.Context(), events(2)); err != nil {
		t.Error(err)
	}
	if got := srv.ids(); len(got) != 2 {
		t.Errorf("arrived: %v", got)
	}
}

func TestOpenRefusesWhatCannotBeMeant(t *testing.T) {
	const secret = "hunter2"
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(`{"type": `+secret+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, field string
		change      func(*pubsub.Config)
	}{
		{"no project", "project", func(c *pubsub.Config) { c.Project = "" }},
		{"a project with its path", "project", func(c *pubsub.Config) { c.Project = "projects/project" }},
		{"no topic", "topic", func(c *pubsub.Config) { c.Topic = "" }},
		{"a topic with its path", "topic", func(c *pubsub.Config) { c.Topic = "projects/project/topics/events" }},
		{"an unknown ordering key", "ordering_key", func(c *pubsub.Config) { c.OrderingKey = "id" }},
		{"an emulator with a scheme", "emulator", func(c *pubsub.Config) { c.Emulator = "http://localhost:8085" }},
		{"an emulator with credentials", "emulator", func(c *pubsub.Config) { c.CredentialsFile = file }},
		{"an endpoint with a path", "endpoint", func(c *pubsub.Config) { c.Emulator, c.Endpoint = "", "https://pubsub.googleapis.com" }},
		{"a file that is not there", "credentials_file", func(c *pubsub.Config) { c.Emulator, c.CredentialsFile = "", file+"x" }},
		{"a file of something else", "credentials_file", func(c *pubsub.Config) { c.Emulator, c.CredentialsFile = "", file }},
		{"a negative timeout", "", func(c *pubsub.Config) { c.Timeout = -time.Second }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("PUBSUB_EMULATOR_HOST", "")
			config := pubsub.Config{Project: project, Topic: topic, Emulator: "127.0.0.1:1", Unchecked: true}
			test.change(&config)
			_, err := pubsub.Open(t.Context(), config)
			e, ok := errors.AsType[*daybook.Error](err)
			if !ok || e.Code != daybook.Invalid || e.Field != test.field {
				t.Fatalf("error is %v, want an invalid %q", err, test.field)
			}
			sinktest.CheckText(t, err, secret)
		})
	}
}
