package kafka_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"daybook.dev"
	"daybook.dev/internal/need"
	"daybook.dev/sink/internal/peer"
	"daybook.dev/sink/kafka"
)

func TestMain(m *testing.M) {
	peer.Serve(blackhole)
	goleak.VerifyTestMain(need.Time(m, goleak.Find))
}

const topic = "events"

// patience is for what comes in time unless something is broken.
const patience = time.Minute

// A cluster is an in-process Kafka that can be broken.
type cluster struct {
	*kfake.Cluster
	mode atomic.Int32
}

const (
	working int32 = iota
	broken        // every connection is closed as soon as it asks for something
	hanging       // nothing is answered
)

// start starts a cluster of one broker whose topic has one partition, unless
// options say otherwise.
func start(t testing.TB, options ...kfake.Opt) *cluster {
	t.Helper()
	options = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, topic)}, options...)
	fake, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c := &cluster{Cluster: fake}
	c.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		switch c.mode.Load() {
		case broken:
			return nil, errors.New("broken"), true
		case hanging:
			return nil, nil, true
		default:
			return nil, nil, false
		}
	})
	return c
}

// open opens a sink on the cluster and closes it with the test.
func (c *cluster) open(t testing.TB, change ...func(*kafka.Config)) *kafka.Sink {
	t.Helper()
	config := kafka.Config{Brokers: c.ListenAddrs(), Topic: topic, Timeout: patience}
	for _, f := range change {
		f(&config)
	}
	s, err := kafka.Open(t.Context(), config)
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// records returns what is in the topic, partition by partition. It fails the
// test when there are less than n records: what was acknowledged is there.
func records(t testing.TB, brokers []string, topic string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(20*time.Millisecond), kgo.DisableClientMetrics(),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var stored int
	ends.Each(func(o kadm.ListedOffset) { stored += int(o.Offset) })
	if stored < n {
		t.Fatalf("%d records are stored, want %d", stored, n)
	}
	var all []*kgo.Record
	for len(all) < stored {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d records came, of %d", len(all), stored)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

// values returns the values of what is in the topic.
func (c *cluster) values(t testing.TB, n int) []string {
	t.Helper()
	var values []string
	for _, r := range records(t, c.ListenAddrs(), topic, n) {
		values = append(values, string(r.Value))
	}
	return values
}

// ids returns the event ids of what is in the topic.
func (c *cluster) ids(t testing.TB, n int) []string {
	t.Helper()
	var ids []string
	for _, value := range c.values(t, n) {
		_, rest, _ := strings.Cut(value, `"event_id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		ids = append(ids, id)
	}
	return ids
}

func events(n int) []daybook.Event {
	all := make([]daybook.Event, n)
	for i := range all {
		all[i] = daybook.Event{ID: "e" + strconv.Itoa(i), Name: "login-success", Type: daybook.Behavioral, Time: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	}
	return all
}

// realBrokers are those of a real cluster, named in DAYBOOK_TEST_KAFKA with
// commas between them.
func realBrokers(t *testing.T) []string {
	t.Helper()
	const variable = "DAYBOOK_TEST_KAFKA"
	brokers := os.Getenv(variable)
	if brokers == "" {
		need.Missing(t, "kafka", variable+" names no brokers")
	}
	return strings.Split(brokers, ",")
}
