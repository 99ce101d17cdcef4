package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/kafka"
	"daybook.dev/sink/sinktest"
)

func TestR13EveryAnswerOfTheBrokersHasItsClass(t *testing.T) {
	c := start(t)
	s := c.open(t)
	for _, test := range []struct {
		answer *kerr.Error
		want   daybook.Code
		reason string
	}{
		{kerr.MessageTooLarge, daybook.TooLarge, "message_too_large"},
		{kerr.InvalidRecord, daybook.Invalid, "message_refused"},
		{kerr.UnknownTopicOrPartition, daybook.Unimplemented, "topic_missing"},
		{kerr.InvalidTopicException, daybook.Unimplemented, "topic_missing"},
		{kerr.UnsupportedVersion, daybook.Unimplemented, "unsupported"},
		{kerr.PolicyViolation, daybook.Unimplemented, "policy"},
		{kerr.TopicAuthorizationFailed, daybook.Denied, "permission_denied"},
		{kerr.ClusterAuthorizationFailed, daybook.Denied, "permission_denied"},
		{kerr.ThrottlingQuotaExceeded, daybook.Exhausted, "quota_exceeded"},
		{kerr.NotLeaderForPartition, daybook.Unavailable, "not_ready"},
		{kerr.NotEnoughReplicas, daybook.Unavailable, "not_ready"},
		{kerr.KafkaStorageError, daybook.Unavailable, "not_ready"},
		{kerr.RequestTimedOut, daybook.Unavailable, "no_answer"},
		{kerr.UnknownServerError, daybook.Internal, "server_failed"},
	} {
		t.Run(test.answer.Message, func(t *testing.T) {
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: test.answer, Count: -1})
			err := s.Write(t.Context(), events(3))
			fault.Remove()
			e, ok := errors.AsType[*daybook.Error](err)
			if !ok || e.Code != test.want || e.Reason != test.reason || e.Where != "kafka" {
				t.Errorf("error is %v (%v), want %v, %s", err, daybook.CodeOf(err), test.want, test.reason)
			}
			if err := s.Write(t.Context(), events(1)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestR13WhatPassesQuicklyIsNotSeen(t *testing.T) {
	for _, answer := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.OutOfOrderSequenceNumber} {
		t.Run(answer.Message, func(t *testing.T) {
			c := start(t)
			s := c.open(t)
			// A request that timed out was carried out all the same: the client's
			// retry must not make a copy of what it stored.
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: answer})
			if err := s.Write(t.Context(), events(3)); err != nil {
				t.Fatal(err)
			}
			if got := c.ids(t, 3); !slices.Equal(got, []string{"e0", "e1", "e2"}) {
				t.Errorf("arrived: %v", got)
			}
		})
	}
}

func TestR13AConnectionThatBreaksMidWriteMakesNoCopies(t *testing.T) {
	c := start(t)
	s := c.open(t)
	if err := s.Write(t.Context(), events(1)); err != nil {
		t.Fatal(err)
	}
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("cut"), true
	})
	if err := s.Write(t.Context(), events(3)); err != nil {
		t.Fatal(err)
	}
	if got := c.ids(t, 4); !slices.Equal(got, []string{"e0", "e0", "e1", "e2"}) {
		t.Errorf("arrived: %v", got)
	}
}

func TestR13ATopicThatTakesLessRefusesOnlyWhatIsTooLarge(t *testing.T) {
	const most = 4000
	c := start(t)
	limit := fmt.Sprint(most)
	if err := c.CreateTopic("small", 1, map[string]string{"max.message.bytes": limit}); err != nil {
		t.Fatal(err)
	}
	s := c.open(t, func(config *kafka.Config) { config.Topic = "small" })
	some := events(60) // together far more than a batch may have, each far less
	for i := range some {
		some[i].Metadata = noise(500)
	}
	for _, i := range []int{7, 30} {
		some[i].Metadata = noise(3 * most)
	}
	err := s.Write(t.Context(), some)
	if got := refused(err); !slices.Equal(got, []string{"e7", "e30"}) {
		t.Errorf("refused: %v (%v)", got, err)
	}
	if got := records(t, c.ListenAddrs(), "small", 58); len(got) != 58 {
		t.Errorf("%d records arrived, want 58", len(got))
	}
}

// noise returns metadata of about n bytes that compression does not make much
// smaller.
func noise(n int) []byte {
	var text strings.Builder
	for x := uint64(n); text.Len() < n; x = x*6364136223846793005 + 1442695040888963407 {
		fmt.Fprintf(&text, "%x", x)
	}
	return []byte(`{"noise":"` + text.String() + `"}`)
}

func TestR13NobodyIsBlamedForWhatANeighbourWrote(t *testing.T) {
	const most = 2000
	c := start(t)
	if err := c.CreateTopic("small", 1, map[string]string{"max.message.bytes": fmt.Sprint(most)}); err != nil {
		t.Fatal(err)
	}
	s := c.open(t, func(config *kafka.Config) { config.Topic = "small" })
	var writing sync.WaitGroup
	for w := range 8 {
		writing.Go(func() {
			for n := range 10 {
				e := daybook.Event{ID: fmt.Sprintf("%d-%d", w, n), Name: "a"}
				bad := w == 0
				if bad {
					e.Metadata = noise(3 * most)
				}
				if err := s.Write(t.Context(), []daybook.Event{e}); bad != (daybook.CodeOf(err) == daybook.TooLarge) || !bad && err != nil {
					t.Errorf("writer %d, event %d: %v", w, n, err)
				}
			}
		})
	}
	writing.Wait()
	if got := len(records(t, c.ListenAddrs(), "small", 70)); got != 70 {
		t.Errorf("%d records arrived, want 70", got)
	}
}

// held makes the cluster keep produce requests until release is called; each
// announces itself on arrived.
func (c *cluster) held(t *testing.T) (arrived <-chan struct{}, release func()) {
	t.Helper()
	announce, hold := make(chan struct{}, 100), make(chan struct{})
	var open atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !open.Load() {
			announce <- struct{}{}
			c.SleepControl(func() { <-hold })
		}
		return nil, nil, false
	})
	release = sync.OnceFunc(func() { open.Store(true); close(hold) })
	t.Cleanup(release)
	return announce, release
}

// heldMetadata makes the cluster keep the next question about topics until
// release is called; it announces itself on asked.
func (c *cluster) heldMetadata(t *testing.T) (asked <-chan struct{}, release func()) {
	t.Helper()
	announce, hold := make(chan struct{}, 1), make(chan struct{})
	c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.DropControl() // the next one is answered
		announce <- struct{}{}
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	release = sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	return announce, release
}

// announcing says when an event is encoded.
type announcing struct {
	sink.Flat

	encoded chan struct{}
}

func (a announcing) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	a.encoded <- struct{}{}
	return a.Flat.Encode(dst, e)
}

func TestACallerWhoLeavesTakesNobodyAlong(t *testing.T) {
	const others = 5
	c := start(t)
	encoding := announcing{encoded: make(chan struct{}, 1+others)}
	s := c.open(t, func(config *kafka.Config) { config.Encoding = encoding })
	asked, release := c.heldMetadata(t)
	leaving, leave := context.WithCancel(t.Context())
	left, stayed := make(chan error, 1), make(chan error, others)
	go func() { left <- s.Write(leaving, []daybook.Event{{ID: "leaves", Name: "a"}}) }()
	<-asked
	<-encoding.encoded
	for i := range others {
		go func() { stayed <- s.Write(t.Context(), []daybook.Event{{ID: fmt.Sprint("stays-", i), Name: "a"}}) }()
		<-encoding.encoded
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) || daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("who leaves is told: %v", err)
	}
	release()
	for range others {
		if err := <-stayed; err != nil {
			t.Errorf("who stays is told: %v", err)
		}
	}
	closeSink(t, s) // waits for what is on its way
	if got := c.ids(t, 1+others); len(got) != 1+others {
		t.Errorf("arrived: %v", got)
	}
	if got, want := s.Counts(), (sink.Counts{Delivered: others, Failed: 1, Late: 1}); got != want {
		t.Errorf("counts: %+v, want %+v", got, want)
	}
}

// TestTheCallersMemoryIsItsOwn has records in the client that were not sent yet
// when their Write has returned.
func TestTheCallersMemoryIsItsOwn(t *testing.T) {
	c := start(t)
	s := c.open(t)
	asked, release := c.heldMetadata(t)
	ctx, cancel := context.WithCancel(t.Context())
	e := daybook.Event{ID: "1", Name: "a", Metadata: []byte(`{"plan":"pro"}`)}
	written := make(chan error, 1)
	lent := []daybook.Event{e}
	lent[0].Metadata = slices.Clone(e.Metadata)
	go func() { written <- s.Write(ctx, lent) }()
	<-asked
	cancel()
	if err := <-written; err == nil {
		t.Error("no error")
	}
	copy(lent[0].Metadata, "poison poison")
	lent[0] = daybook.Event{}
	release()
	closeSink(t, s)
	got := sinktest.FromFlat(t, []byte(c.values(t, 1)[0]))
	if got.ID != e.ID || string(got.Metadata) != string(e.Metadata) {
		t.Errorf("arrived: %s %s", got.ID, got.Metadata)
	}
}

func TestWritesBeyondTheRoomWaitOutsideOfTheClient(t *testing.T) {
	c := start(t)
	s := c.open(t, func(config *kafka.Config) { config.MaxBufferedBytes = 1000 })
	arrived, release := c.held(t)
	first := make(chan error, 1)
	large := events(1)
	large[0].Metadata = noise(2000) // more than the room: it goes alone
	go func() { first <- s.Write(t.Context(), large) }()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Write(ctx, []daybook.Event{{ID: "waits", Name: "a"}}); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("error is %v, want unavailable", err)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	closeSink(t, s)
	if got := c.ids(t, 1); !slices.Equal(got, []string{"e0"}) {
		t.Errorf("arrived: %v", got)
	}
}

func TestR13BrokersComeAndGo(t *testing.T) {
	c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, topic))
	s := c.open(t)
	const rounds = 6
	var sent int
	write := func() {
		t.Helper()
		some := events(30)
		for i := range some {
			some[i].ID = fmt.Sprint(sent + i)
		}
		if err := s.Write(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		sent += len(some)
	}
	write()
	for range rounds {
		leader := c.LeaderFor(topic, 0)
		if err := c.RemoveNode(leader); err != nil {
			t.Fatal(err)
		}
		write()
		if _, _, err := c.AddNode(leader, 0); err != nil {
			t.Fatal(err)
		}
		c.ShufflePartitionLeaders()
		write()
	}
	seen := map[string]int{}
	for _, id := range c.ids(t, sent) {
		seen[id]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("event %s arrived %d times", id, n)
		}
	}
	if len(seen) != sent {
		t.Errorf("%d events arrived, want %d", len(seen), sent)
	}
}

func TestR13AClusterThatIsDown(t *testing.T) {
	const nobody = "127.0.0.1:1"
	t.Run("is an error when the sink is opened", func(t *testing.T) {
		s, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{nobody}, Topic: topic})
		if s != nil || daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("sink %v, error %v", s, err)
		}
	})
	t.Run("is none where nobody asks, and Write says why", func(t *testing.T) {
		s, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{nobody}, Topic: topic, Unchecked: true, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer closeSink(t, s)
		// It says so once it has tried to connect within the time it has.
		for end := time.Now().Add(patience); err == nil || !strings.Contains(err.Error(), "connection refused"); {
			err = s.Write(t.Context(), events(2))
			if daybook.CodeOf(err) != daybook.Unavailable || time.Now().After(end) {
				t.Fatalf("error is %v", err)
			}
		}
		if _, err := s.Missing(t.Context()); daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("Missing says %v", err)
		}
	})
	t.Run("keeps no Write longer than the timeout", func(t *testing.T) {
		c := start(t)
		s := c.open(t, func(config *kafka.Config) { config.Timeout = 300 * time.Millisecond })
		c.mode.Store(hanging)
		begin := time.Now()
		err := s.Write(t.Context(), events(2))
		if daybook.CodeOf(err) != daybook.Unavailable {
			t.Errorf("error is %v", err)
		}
		if took := time.Since(begin); took > patience {
			t.Errorf("it took %v", took)
		}
	})
}
