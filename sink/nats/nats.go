// Package nats delivers events to a JetStream stream of NATS, from an
// application or from a gateway.
//
// # What nil means
//
// Nil from Write means that a stream has acknowledged every event: a majority of
// its replicas have it. The servers write to their disks before that and fsync
// later, by default every two minutes, so an event is safe against the loss of
// a minority of them; with one replica, or against all failing together, only
// the server's setting sync_interval: always is safe.
//
// Every message carries a Nats-Msg-Id that is the same whenever the event is
// written again, and different for the same id of another caller. The stream
// stores the first of them within its duplicate window (two minutes by default)
// and acknowledges the others.
//
// # Order
//
// Events of one Write are stored in order, unless some of them fail.
//
// # Errors
//
//	class          codes            when
//	permanent      TooLarge         larger than the server's max_payload or the stream's max_msg_size
//	               Invalid          an event that the encoding cannot write
//	misconfigured  Unimplemented    no stream takes the subject, another than Config.Stream does, it is sealed, or JetStream is not enabled
//	               Denied           permissions violation; a server's certificate that does not verify, or TLS on one side only
//	               Unauthenticated  authorization violation, expired or revoked credentials
//	throttled      Exhausted        storage, memory or account limits reached; too many requests
//	transient      Unavailable      no connection, no answer in time, no leader, the stream is full and discards new messages
//	               Internal         any other answer
//
// A server does not say which message a permissions violation is about: all that
// are under way fail with it. A lost connection is made again in the background;
// until then each Write fails at once.
package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/gate"
	"daybook.dev/sink/internal/publish"
)

// Config says where events go and how. URLs and Subject are required.
type Config struct {
	// URLs are servers to begin with, such as nats://localhost:4222, without
	// user and password. The others of a cluster are learned from them.
	URLs []string

	// Subject is where events are published. The token {event_type} stands for
	// the event's type: in "events.{event_type}" those without one go to
	// "events.none", and what no token may contain becomes "_".
	Subject string

	// Stream is the stream that has to take the events. Empty means whichever
	// takes the subject; Create then names it DAYBOOK.
	Stream string

	// Encoding writes the messages; attributes become headers. Nil means
	// [sink.Flat].
	Encoding sink.Encoding

	// TLS is how to speak TLS to the servers. Nil means as they and the URL ask
	// for, with the system's authorities.
	TLS *tls.Config

	// CredentialsFile holds a user's JWT and seed; NKeyFile a seed alone. They
	// are read at each connection. User with Password, or Token, are the other
	// ways to log in. Empty means without; one way at most.
	CredentialsFile string
	NKeyFile        string
	User            string
	Password        string
	Token           string

	// Name is how servers name this client in their logs. Empty means "daybook".
	Name string

	// Timeout is how long a Write waits at most, also where its context allows
	// more. Zero means 10s.
	Timeout time.Duration

	// MaxPending is how many events may wait for their acknowledgements at the
	// same time. Writes beyond it wait for others to end, and a larger Write
	// goes in parts. Zero means 4096.
	MaxPending int

	// Unchecked opens the sink also while no server can be reached, and keeps
	// trying. The default is an error then.
	Unchecked bool

	// Replicas is how many servers have a copy of the stream that Create makes.
	// Zero means 1.
	Replicas int

	// DuplicateWindow is for how long that stream recognises an event that it
	// has. Zero means 2m.
	DuplicateWindow time.Duration
}

const (
	defaultTimeout    = 10 * time.Second
	defaultMaxPending = 4096
	defaultStream     = "DAYBOOK"
	defaultWindow     = 2 * time.Minute
)

// Sink delivers events to one stream. It is safe for concurrent use.
type Sink struct {
	config  Config // with defaults
	subject subject
	conn    *client.Conn
	cause   lastFailure // of conn
	stream  jetstream.JetStream
	meter   publish.Meter

	room    *semaphore.Weighted // bounds the events that wait for acknowledgements
	gate    *gate.Gate
	release func() // closes the connection
	alarm   *alarm // permissions violations
}

var (
	_ daybook.Sink     = (*Sink)(nil)
	_ sink.Provisioner = (*Sink)(nil)
)

// Open returns the sink that config describes. It connects, for as long as
// config.Timeout allows; whether a stream is there is for Missing to say. An
// error with code Invalid is about the field it names.
func Open(ctx context.Context, config Config) (*Sink, error) {
	if err := ctx.Err(); err != nil {
		return nil, explain(err)
	}
	subject, err := config.check()
	if err != nil {
		return nil, err
	}
	config = config.withDefaults()
	s := &Sink{config: config, subject: subject, room: semaphore.NewWeighted(int64(config.MaxPending)), gate: gate.New(), alarm: newAlarm()}
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	options = append(append(options, client.ErrorHandler(s.noticed)), s.cause.options()...)
	if s.conn, err = client.Connect(config.servers(), options...); err != nil {
		return nil, explain(err)
	}
	s.release = sync.OnceFunc(s.conn.Close)
	s.stream, err = jetstream.New(s.conn,
		jetstream.WithPublishAsyncMaxPending(2*config.MaxPending), // some that were given up on may still be waited for
		jetstream.WithPublishAsyncTimeout(config.Timeout),
		jetstream.WithDefaultTimeout(config.Timeout),
	)
	if err != nil {
		s.release()
		return nil, invalid("", err.Error())
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Encoding == nil {
		c.Encoding = sink.Flat{}
	}
	if c.Name == "" {
		c.Name = "daybook"
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxPending == 0 {
		c.MaxPending = defaultMaxPending
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.DuplicateWindow == 0 {
		c.DuplicateWindow = defaultWindow
	}
	return c
}

// Counts returns what became of the events so far.
func (s *Sink) Counts() sink.Counts { return s.meter.Counts() }

// Close waits for the Writes under way until ctx ends, and then ends them.
func (s *Sink) Close(ctx context.Context) error {
	defer s.release()
	return s.gate.Close(ctx)
}

// noticed is told of what goes wrong outside of any call.
func (s *Sink) noticed(_ *client.Conn, _ *client.Subscription, err error) {
	if !errors.Is(err, client.ErrPermissionViolation) {
		return // a connection's troubles show at the next Write
	}
	// Nothing else will be heard about the message that is not permitted. The
	// server's text names its subject, which may have an event's type in it.
	s.alarm.ring(explain(client.ErrPermissionViolation))
}
