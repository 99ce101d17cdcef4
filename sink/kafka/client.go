package kafka

import (
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	// gather is how long the client waits for more records before it sends the
	// first: none waits that long, as a Write says when it has handed over its
	// last, but the first of a Write must not leave alone.
	gather = 20 * time.Millisecond

	// retries are the client's own within one Write, some seconds of them:
	// enough to follow a partition to its new leader.
	retries = 9

	// unknown is how often in a row the brokers may not know the topic before
	// that is the answer: a new one takes a moment to become known to all.
	unknown = 2
)

// backoff is how long the client waits before its own retries.
func backoff(tries int) time.Duration {
	const first, most = 10 * time.Millisecond, time.Second
	return min(first<<min(tries, 10), most)
}

// options are the client library's words for c, which has its defaults.
func (c Config) options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.DefaultProduceTopicAlways(),
		kgo.DefaultProduceTopic(c.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(c.MaxMessageBytes)),
		kgo.ProducerLinger(gather),
		kgo.RetryBackoffFn(backoff),
		kgo.RecordRetries(retries),
		kgo.RequestRetries(retries),
		kgo.UnknownTopicRetries(unknown),

		// A broker gets half of the time to answer; the client drops a connection
		// when the answer takes that much longer, and all that waits behind it
		// with it.
		kgo.ProduceRequestTimeout(c.Timeout / 2),
		kgo.RequestTimeoutOverhead(c.Timeout / 2),
		kgo.DialTimeout(c.Timeout / 2),
		kgo.MetadataMinAge(backoff(1)), // a retry needs fresh metadata

		// Sink.room bounds what is buffered, before it reaches the client.
		kgo.MaxBufferedRecords(1 << 30),

		// An attempt that is over must not go on: its events are sent again by
		// whoever was told so, and a copy is all that is left to avoid then.
		kgo.AllowIdempotentProduceCancellation(),

		// Brokers may ask clients to report about themselves: nobody asked our
		// users whether theirs should.
		kgo.DisableClientMetrics(),
	}
	if c.TLS != nil {
		options = append(options, kgo.DialTLSConfig(c.TLS))
	}
	if m, _ := c.mechanism(); m != nil {
		options = append(options, kgo.SASL(m))
	}
	return options
}

// mechanism returns how to log in, nil for not at all, and whether the word is
// known.
func (c Config) mechanism() (sasl.Mechanism, bool) {
	switch c.Mechanism {
	case "":
		return nil, true
	case Plain:
		return plain.Auth{User: c.User, Pass: c.Password}.AsMechanism(), true
	case ScramSHA256:
		return scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism(), true
	case ScramSHA512:
		return scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism(), true
	default:
		return nil, false
	}
}

// lastFailure remembers why the brokers could not be reached, which the client
// does not say when it gives up.
type lastFailure struct {
	mu  sync.Mutex // guards err
	err error      // nil since something worked
}

func (f *lastFailure) note(err error) {
	if gaveUp(err) {
		return // that is an end, and no cause
	}
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

func (f *lastFailure) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// OnBrokerConnect implements kgo.HookBrokerConnect: a connection was made and
// logged in, or could not be.
func (f *lastFailure) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	f.note(err)
}

// OnBrokerE2E implements kgo.HookBrokerE2E: a request was answered, or its
// connection broke.
func (f *lastFailure) OnBrokerE2E(_ kgo.BrokerMetadata, _ int16, e kgo.BrokerE2E) { f.note(e.Err()) }
