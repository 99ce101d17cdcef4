// Package kafka delivers events to a Kafka topic, from an application or from a
// gateway.
//
// # What nil means
//
// Nil from Write means that every in-sync replica of the event's partition has
// it (acks=all). How many those are is the topic's min.insync.replicas: with 1,
// which is Kafka's default, a single broker may be all. Kafka does not fsync
// before it acknowledges. The producer is idempotent, so retries inside of one
// Write make no copies; writing an event again does, and its readers tell by
// the event's id.
//
// The original activity client waited 200 ms for more events before it sent
// some. Here nothing waits: a Write hands over all its events, and they leave
// together, compressed with LZ4. A record's time is when it was sent; the event's
// own is in its value.
//
// # Order
//
// Kafka keeps order within a partition. Events of one key are in one partition,
// in the order of Write; without a key each Write spreads over partitions.
//
// # Errors
//
//	class          codes            when
//	permanent      TooLarge         MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, or larger than Config.MaxMessageBytes
//	               Invalid          INVALID_RECORD (a check of the brokers, or no key in a compacted topic); an event that the encoding cannot write
//	misconfigured  Unimplemented    no such topic; a protocol version, compression or setting the brokers do not have; POLICY_VIOLATION
//	               Denied           TOPIC_, CLUSTER_AUTHORIZATION_FAILED; a broker's certificate that does not verify
//	               Unauthenticated  SASL_AUTHENTICATION_FAILED, UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE
//	throttled      Exhausted        THROTTLING_QUOTA_EXCEEDED
//	transient      Unavailable      no connection, no answer in time, no leader, not enough replicas, and all that Kafka calls retriable
//	               Internal         any other answer
//
// Brokers refuse whole batches. When a batch is refused for good its events are
// sent again in ever smaller groups, and while nothing else is on its way, until
// those at fault are known: they alone are named by the *daybook.PartialError.
//
// The client tries again by itself only for as long as Config.Timeout, so that
// the waits between attempts are the caller's.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/internal/gate"
	"daybook.dev/sink/internal/publish"
)

// Config says where events go and how. Brokers and Topic are required.
type Config struct {
	// Brokers are where to begin, as host:port; the port may be left out where it
	// is 9092. The others are learned from them.
	Brokers []string

	// Topic is where events go. It is made by Create alone, never by a Write.
	Topic string

	// Encoding writes the records' values; attributes become headers. Nil means
	// [sink.Flat]: one flat JSON object and no headers.
	Encoding sink.Encoding

	// Key is what becomes the records' key. Empty means none.
	Key Key

	// TLS is how to speak TLS to the brokers. Nil means without TLS.
	TLS *tls.Config

	// Mechanism, User and Password log in by SASL. Empty means without.
	Mechanism Mechanism
	User      string
	Password  string

	// ClientID is how brokers name this client in their logs and quotas. Empty
	// means "daybook".
	ClientID string

	// Timeout is how long a Write tries at most, also where its context allows
	// more. Zero means 10s.
	Timeout time.Duration

	// MaxMessageBytes is the size up to which a batch is filled, and that of the
	// largest event, before compression. Raise it together with the topic's
	// max.message.bytes. Zero means 1,048,588, which is what brokers take by
	// default.
	MaxMessageBytes int

	// MaxBufferedBytes is how much may be on its way at the same time. Writes
	// beyond it wait for others to end; a larger one goes alone. Zero means
	// 64 MiB.
	MaxBufferedBytes int

	// Unchecked opens the sink without asking the brokers, which may be down.
	// The default asks, and an error says that none can be reached.
	Unchecked bool

	// Partitions and Replicas are those of the topic that Create makes. Zero
	// means what the brokers have as their default.
	Partitions int
	Replicas   int
}

// A Key is what becomes the key of a record, and so chooses its partition.
type Key string

// The keys there are.
const (
	NoKey    Key = "none"  // the default: spread over all partitions
	KeyActor Key = "actor" // events of one actor are in one partition, in order; those without one are spread
	KeyID    Key = "id"    // the event's id, as compacted topics need it
)

// A Mechanism is a way to log in by SASL.
type Mechanism string

// The mechanisms there are.
const (
	Plain       Mechanism = "plain" // the password goes over the wire: use TLS
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
)

const (
	defaultTimeout          = 10 * time.Second
	defaultMaxMessageBytes  = 1_048_588
	defaultMaxBufferedBytes = 64 << 20

	minBatch, maxBatch = 512, 1 << 30 // what the client library takes
)

// Sink delivers events to one topic. It is safe for concurrent use.
type Sink struct {
	config Config // with defaults
	client *kgo.Client
	cause  *lastFailure
	meter  publish.Meter

	// room bounds the bytes on their way. Whoever holds all of it is alone.
	room *semaphore.Weighted

	gate    *gate.Gate
	release func() // ends the client and all that it still tries
}

var (
	_ daybook.Sink     = (*Sink)(nil)
	_ sink.Provisioner = (*Sink)(nil)
)

// Open returns the sink that config describes. Unless config says otherwise it
// asks the brokers first, for as long as ctx and config.Timeout allow. An error
// with code Invalid is about the field it names.
func Open(ctx context.Context, config Config) (*Sink, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	s := &Sink{config: config, cause: new(lastFailure), room: semaphore.NewWeighted(int64(config.MaxBufferedBytes)), gate: gate.New()}
	client, err := kgo.NewClient(append(config.options(), kgo.WithHooks(s.cause))...)
	if err != nil {
		return nil, invalid("", err.Error())
	}
	s.client, s.release = client, sync.OnceFunc(client.Close)
	if config.Unchecked {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		s.release()
		return nil, s.explain(err)
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Encoding == nil {
		c.Encoding = sink.Flat{}
	}
	if c.ClientID == "" {
		c.ClientID = "daybook"
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = defaultMaxMessageBytes
	}
	if c.MaxBufferedBytes == 0 {
		c.MaxBufferedBytes = defaultMaxBufferedBytes
	}
	return c
}

// check finds what cannot be meant. No value is repeated where a password may
// have slipped into it.
func (c Config) check() error {
	switch {
	case len(c.Brokers) == 0:
		return invalid("brokers", "there is no broker; write for example localhost:9092")
	case c.Topic == "":
		return invalid("topic", "the topic is missing")
	case c.Timeout < 0 || c.MaxMessageBytes < 0 || c.MaxBufferedBytes < 0 || c.Partitions < 0 || c.Replicas < 0:
		return invalid("", "times, sizes and counts are not negative")
	case c.MaxMessageBytes != 0 && (c.MaxMessageBytes < minBatch || c.MaxMessageBytes > maxBatch):
		return invalid("max_message", fmt.Sprintf("a batch has %d to %d bytes", minBatch, maxBatch))
	case c.Partitions > math.MaxInt32 || c.Replicas > math.MaxInt16:
		return invalid("replicas", "so many partitions or replicas cannot be asked for")
	case c.Mechanism == "" && (c.User != "" || c.Password != ""):
		return invalid("mechanism", "there is a user or password and no mechanism; write plain, scram-sha-256 or scram-sha-512")
	case c.Mechanism != "" && (c.User == "" || c.Password == ""):
		return invalid("user", "a mechanism needs user and password")
	}
	for _, broker := range c.Brokers {
		if broker == "" || strings.ContainsAny(broker, "@/ ") {
			return invalid("brokers", "a broker is host:port, without scheme, user or path")
		}
	}
	switch c.Key {
	case "", NoKey, KeyActor, KeyID:
	default:
		return invalid("key", fmt.Sprintf("%q is not one of none, actor, id", c.Key))
	}
	if _, ok := c.mechanism(); !ok {
		return invalid("mechanism", fmt.Sprintf("%q is not one of plain, scram-sha-256, scram-sha-512", c.Mechanism))
	}
	return nil
}

func invalid(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: "invalid_config", Message: message}
}

// Counts returns what became of the events so far.
func (s *Sink) Counts() sink.Counts { return s.meter.Counts() }

// Close waits for the Writes under way until ctx ends, and then ends them. It
// flushes nothing else: a Write that has returned has left nothing behind that
// anybody was told is safe.
func (s *Sink) Close(ctx context.Context) error {
	defer s.release()
	return s.gate.Close(ctx)
}
