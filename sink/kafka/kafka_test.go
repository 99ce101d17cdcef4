package kafka_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/kafka"
	"daybook.dev/sink/sinktest"
)

// tooLarge makes an event that no batch has room for.
func tooLarge(e daybook.Event) daybook.Event {
	e.Metadata = fmt.Appendf(nil, `{"text":"%s"}`, bytes.Repeat([]byte("x"), 2<<20))
	return e
}

var traits = sinktest.Traits{Ordered: true, Partial: true, ExactNumbers: true, Bad: tooLarge}

func TestSink(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		c := start(t)
		return sinktest.Target{
			Sink: c.open(t),
			Arrived: func(t *testing.T, n int) []sinktest.Arrival {
				var arrivals []sinktest.Arrival
				for _, value := range c.values(t, n) {
					arrivals = append(arrivals, sinktest.FromFlat(t, []byte(value)))
				}
				return arrivals
			},
			Break: func() { c.mode.Store(broken) },
			Hang:  func() { c.mode.Store(hanging) },
			Mend:  func() { c.mode.Store(working) },
		}
	}, traits)
}

func TestSinkOnARealCluster(t *testing.T) {
	brokers := realBrokers(t)
	traits := traits
	traits.Unbreakable = "it is somebody's cluster"
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		var name [8]byte
		rand.Read(name[:])
		topic := "daybook-test-" + hex.EncodeToString(name[:])
		s, err := kafka.Open(t.Context(), kafka.Config{Brokers: brokers, Topic: topic, Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSink(t, s) })
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeTopic(t, brokers, topic) })
		return sinktest.Target{Sink: s, Arrived: func(t *testing.T, n int) []sinktest.Arrival {
			var arrivals []sinktest.Arrival
			for _, r := range records(t, brokers, topic, n) {
				arrivals = append(arrivals, sinktest.FromFlat(t, r.Value))
			}
			return arrivals
		}}
	}, traits)
}

func removeTopic(t *testing.T, brokers []string, topic string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopics(context.Background(), topic); err != nil {
		t.Error(err)
	}
}

func TestRecordsAreWhatReadersOfActivityEventsKnow(t *testing.T) {
	c := start(t)
	s := c.open(t)
	e := daybook.Event{
		ID: "1", Name: "login-success", Type: daybook.Behavioral, Time: time.Date(2026, 11, 21, 9, 0, 0, 5, time.UTC),
		Metadata: []byte(`{"plan":"pro"}`),
	}
	if err := s.Write(t.Context(), []daybook.Event{e}); err != nil {
		t.Fatal(err)
	}
	r := records(t, c.ListenAddrs(), topic, 1)[0]
	const want = `{"event_id":"1","event_time":"2026-11-21T09:00:00.000000005Z","event_type":"behavioral","event_name":"login-success","plan":"pro"}`
	if string(r.Value) != want {
		t.Errorf("value is %s\nwant     %s", r.Value, want)
	}
	if r.Key != nil || len(r.Headers) != 0 {
		t.Errorf("key is %q and headers are %v, want neither", r.Key, r.Headers)
	}
}

func TestBatchesAreCompressedWithLZ4(t *testing.T) {
	c := start(t)
	s := c.open(t)
	repeated := events(50)
	for i := range repeated {
		repeated[i].Metadata = []byte(`{"text":"` + strings.Repeat("again ", 50) + `"}`)
	}
	if err := s.Write(t.Context(), repeated); err != nil {
		t.Fatal(err)
	}
	const lz4 = 3
	if got := records(t, c.ListenAddrs(), topic, 50)[0].Attrs.CompressionType(); got != lz4 {
		t.Errorf("compression is %d, want %d", got, lz4)
	}
}

func TestKeys(t *testing.T) {
	for _, test := range []struct {
		key  kafka.Key
		want []string // of ann's event and of nobody's; "" for none
	}{
		{kafka.NoKey, []string{"", ""}},
		{kafka.KeyActor, []string{"ann", ""}},
		{kafka.KeyID, []string{"1", "2"}},
	} {
		t.Run(string(test.key), func(t *testing.T) {
			c := start(t)
			s := c.open(t, func(config *kafka.Config) { config.Key = test.key })
			if err := s.Write(t.Context(), []daybook.Event{{ID: "1", Name: "a", Actor: "ann"}, {ID: "2", Name: "a"}}); err != nil {
				t.Fatal(err)
			}
			for i, r := range records(t, c.ListenAddrs(), topic, 2) {
				if string(r.Key) != test.want[i] || (r.Key == nil) != (test.want[i] == "") {
					t.Errorf("key %d is %q, want %q", i, r.Key, test.want[i])
				}
			}
		})
	}
	t.Run("events of one actor are in one partition, in order", func(t *testing.T) {
		c := start(t, kfake.SeedTopics(8, topic))
		s := c.open(t, func(config *kafka.Config) { config.Key = kafka.KeyActor })
		const actors, writes = 10, 5
		for n := range writes {
			some := events(actors * 3)
			for i := range some {
				some[i].Actor, some[i].ID = fmt.Sprint("actor-", i%actors), fmt.Sprintf("%d-%02d", n, i)
			}
			if err := s.Write(t.Context(), some); err != nil {
				t.Fatal(err)
			}
		}
		partitions, last := map[string]int32{}, map[string]string{}
		for _, r := range records(t, c.ListenAddrs(), topic, actors*3*writes) {
			actor, value := string(r.Key), string(r.Value)
			if p, seen := partitions[actor]; seen && p != r.Partition {
				t.Errorf("%s is in partitions %d and %d", actor, p, r.Partition)
			}
			if value < last[actor] { // they begin with the id
				t.Errorf("of %s %s comes after %s", actor, value, last[actor])
			}
			partitions[actor], last[actor] = r.Partition, value
		}
		if len(partitions) != actors {
			t.Errorf("%d actors, want %d", len(partitions), actors)
		}
	})
}

// labelled writes an event's name, and its type as an attribute. It cannot
// write events called "bad".
type labelled struct{}

func (labelled) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	if e.Name == "bad" {
		return sink.Message{}, &daybook.Error{Code: daybook.Invalid, Reason: "bad"}
	}
	return sink.Message{Value: append(dst, e.Name...), Attributes: map[string]string{"type": string(e.Type)}}, nil
}

func TestEncodings(t *testing.T) {
	c := start(t)
	s := c.open(t, func(config *kafka.Config) { config.Encoding = labelled{} })
	err := s.Write(t.Context(), []daybook.Event{{ID: "1", Name: "a", Type: "x"}, {ID: "2", Name: "bad"}, {ID: "3", Name: "c"}})
	t.Run("what cannot be written is named, and the others arrive", func(t *testing.T) {
		if got := refused(err); !slices.Equal(got, []string{"2"}) {
			t.Errorf("refused: %v (%v)", got, err)
		}
		if got := c.values(t, 2); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("arrived: %v", got)
		}
	})
	t.Run("attributes become headers", func(t *testing.T) {
		got := records(t, c.ListenAddrs(), topic, 2)[0].Headers
		if len(got) != 1 || got[0].Key != "type" || string(got[0].Value) != "x" {
			t.Errorf("headers: %v", got)
		}
	})
}

// refused returns the ids that err names as refused for good.
func refused(err error) []string {
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		return nil
	}
	var ids []string
	for _, o := range partial.Failed {
		if o.Status == daybook.Refused && sinktest.Permanent(o.Err) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func TestCounts(t *testing.T) {
	c := start(t)
	s := c.open(t)
	if err := s.Write(t.Context(), events(3)); err != nil {
		t.Fatal(err)
	}
	some := events(3)
	some[1] = tooLarge(some[1])
	if err := s.Write(t.Context(), some); err == nil {
		t.Error("no error")
	}
	if got, want := s.Counts(), (sink.Counts{Delivered: 5, Failed: 1}); got != want {
		t.Errorf("counts: %+v, want %+v", got, want)
	}
}
