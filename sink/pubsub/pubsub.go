// Package pubsub delivers events to a topic of Google Cloud Pub/Sub, from an
// application or from a gateway.
//
// # What nil means
//
// Nil from Write means that Pub/Sub has acknowledged every event: it is stored in
// more than one zone and will be delivered to every subscription there is at
// that time. Writing an event again publishes it again; subscribers tell by the
// attribute event_id, which every message has unless the encoding sets all
// attributes itself.
//
// # Order
//
// Pub/Sub keeps order among the messages of one ordering key, for subscriptions
// that ask for it, within one region (see Config.Endpoint). Of one key nothing is
// published behind an event that failed, unless that was refused for good.
//
// # Errors
//
//	class          codes            when
//	permanent      TooLarge         a message of more than 10 MB
//	               Invalid          INVALID_ARGUMENT, OUT_OF_RANGE, an attribute or key longer than Pub/Sub takes; an event that the encoding cannot write
//	misconfigured  Unimplemented    NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED
//	               Denied           PERMISSION_DENIED
//	               Unauthenticated  UNAUTHENTICATED
//	throttled      Exhausted        RESOURCE_EXHAUSTED, with the wait that the answer names
//	transient      Unavailable      UNAVAILABLE, ABORTED, CANCELLED, DEADLINE_EXCEEDED, no answer in time
//	               Internal         INTERNAL, UNKNOWN, DATA_LOSS
//
// A request that is refused for good is sent again in halves until those at
// fault are known: they alone are named by the *daybook.PartialError. UNAVAILABLE
// is tried twice more within the same Write; all other waits are the caller's.
//
// # Emulator
//
// A connection to the emulator has neither TLS nor credentials: whoever listens
// there gets every event. As with all of Google's clients the environment
// variable PUBSUB_EMULATOR_HOST is enough to use it: see that it is not set where
// real events are delivered.
package pubsub

import (
	"context"
	"os"
	"time"

	api "cloud.google.com/go/pubsub/v2/apiv1"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/gate"
	"daybook.dev/sink/internal/publish"
)

// Config says where events go and how. Project and Topic are required.
type Config struct {
	// Project is the id of the Google Cloud project, and Topic that of the topic
	// within it. The topic is made by Create alone, never by a Write.
	Project string
	Topic   string

	// Encoding writes the messages. Where it sets attributes, they are all that
	// a message has; else its one attribute is event_id. Nil means [sink.Flat].
	Encoding sink.Encoding

	// OrderingKey is what becomes the messages' ordering key. Empty means none.
	OrderingKey OrderingKey

	// CredentialsFile is a key of a service account, or another file of
	// credentials that Google's tools write. Empty means what the environment
	// has: GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, or the machine's own
	// service account.
	CredentialsFile string

	// Endpoint is where Pub/Sub is reached. Order across publishers needs all of
	// them in one region: europe-west1-pubsub.googleapis.com:443. Empty means the
	// nearest.
	Endpoint string

	// Emulator is host:port of an emulator to use instead, without TLS and
	// credentials. Empty means what PUBSUB_EMULATOR_HOST names, and without it
	// none.
	Emulator string

	// Timeout is how long a Write takes at most, also where its context allows
	// more. Zero means 10s.
	Timeout time.Duration

	// MaxRequests is how many requests may be under way at the same time, each
	// of 10 MB at most. Writes beyond it wait for others to end. Zero means 16.
	MaxRequests int

	// Unchecked opens the sink without asking Pub/Sub. The default asks, and an
	// error says that it cannot be reached, or not with these credentials.
	Unchecked bool
}

// An OrderingKey is what becomes the ordering key of a message.
type OrderingKey string

// The ordering keys there are.
const (
	NoOrder       OrderingKey = "none"  // the default
	OrderingActor OrderingKey = "actor" // events of one actor are in order; a request carries those of one actor only
)

const (
	defaultTimeout     = 10 * time.Second
	defaultMaxRequests = 16
)

// Sink delivers events to one topic. It is safe for concurrent use.
type Sink struct {
	config Config // with defaults
	client *api.TopicAdminClient
	meter  publish.Meter

	room *semaphore.Weighted // bounds the requests under way
	gate *gate.Gate
}

var (
	_ daybook.Sink     = (*Sink)(nil)
	_ sink.Provisioner = (*Sink)(nil)
)

// Open returns the sink that config describes. Unless config says otherwise it
// asks Pub/Sub first, for as long as ctx and config.Timeout allow; whether the
// topic is there is for Missing to say. An error with code Invalid is about the
// field it names.
func Open(ctx context.Context, config Config) (*Sink, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	client, err := api.NewTopicAdminClient(ctx, options...)
	if err != nil {
		return nil, &daybook.Error{Code: daybook.Unauthenticated, Where: where, Reason: "login_refused", Message: "there are no credentials to begin with", Err: err}
	}
	s := &Sink{config: config, client: client, room: semaphore.NewWeighted(int64(config.MaxRequests)), gate: gate.New()}
	if config.Unchecked {
		return s, nil
	}
	if err := s.ping(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// ping finds out whether Pub/Sub answers. Who may publish need not be allowed to
// look at topics, so a refusal is an answer.
func (s *Sink) ping(ctx context.Context) error {
	_, err := s.exists(ctx)
	if status.Code(err) == codes.PermissionDenied {
		return nil
	}
	return explain(err)
}

func (c Config) withDefaults() Config {
	if c.Encoding == nil {
		c.Encoding = sink.Flat{}
	}
	if c.Emulator == "" {
		c.Emulator = os.Getenv("PUBSUB_EMULATOR_HOST")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = defaultMaxRequests
	}
	return c
}

// Counts returns what became of the events so far. Events are never Late: a
// Write ends its requests before it returns.
func (s *Sink) Counts() sink.Counts { return s.meter.Counts() }

// Close waits for the Writes under way until ctx ends, and then ends them.
func (s *Sink) Close(ctx context.Context) error {
	defer s.release()
	return s.gate.Close(ctx)
}

func (s *Sink) release() { _ = s.client.Close() } // says no more than that it was closed before
