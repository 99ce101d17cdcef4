package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Missing returns the command that makes the topic, or nothing when it is there.
func (s *Sink) Missing(ctx context.Context) ([]string, error) {
	exists, err := s.exists(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	if exists {
		return nil, nil
	}
	return []string{s.command()}, nil
}

// command does what Create does.
func (s *Sink) command() string {
	c := fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s", s.config.Brokers[0], s.config.Topic)
	if s.config.Partitions > 0 {
		c += fmt.Sprintf(" --partitions %d", s.config.Partitions)
	}
	if s.config.Replicas > 0 {
		c += fmt.Sprintf(" --replication-factor %d", s.config.Replicas)
	}
	return c
}

func (s *Sink) exists(ctx context.Context) (bool, error) {
	topics, err := kadm.NewClient(s.client).ListTopics(ctx, s.config.Topic)
	if err != nil {
		return false, err
	}
	err = topics[s.config.Topic].Err
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return false, nil
	}
	return err == nil, err
}

// Create makes the topic where it is missing, and waits until the brokers know
// it. The broker's defaults need Kafka 2.4 or later.
func (s *Sink) Create(ctx context.Context) error {
	partitions, replicas := int32(-1), int16(-1)
	if s.config.Partitions > 0 {
		partitions = int32(s.config.Partitions)
	}
	if s.config.Replicas > 0 {
		replicas = int16(s.config.Replicas)
	}
	_, err := kadm.NewClient(s.client).CreateTopic(ctx, partitions, replicas, nil, s.config.Topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return s.explain(err)
	}
	for tries := 0; ; tries++ {
		exists, err := s.exists(ctx)
		if err != nil || exists {
			return s.explain(err)
		}
		select {
		case <-ctx.Done():
			return s.explain(ctx.Err())
		case <-time.After(backoff(tries)):
		}
	}
}
