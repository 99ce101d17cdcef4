package pubsub

import (
	"context"
	"fmt"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Missing returns the command that makes the topic, or nothing when it is there.
func (s *Sink) Missing(ctx context.Context) ([]string, error) {
	exists, err := s.exists(ctx)
	if err != nil || exists {
		return nil, explain(err)
	}
	return []string{fmt.Sprintf("gcloud pubsub topics create %s --project=%s", s.config.Topic, s.config.Project)}, nil
}

func (s *Sink) exists(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	_, err := s.client.GetTopic(ctx, &pubsubpb.GetTopicRequest{Topic: s.config.name()}, gax.WithRetry(nil))
	if status.Code(err) == codes.NotFound {
		return false, nil
	}
	return err == nil, err
}

// Create makes the topic where it is missing. Messages published before a
// subscription is made are in none of that subscription's.
func (s *Sink) Create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	_, err := s.client.CreateTopic(ctx, &pubsubpb.Topic{Name: s.config.name()}, gax.WithRetry(nil))
	if status.Code(err) == codes.AlreadyExists {
		return nil
	}
	return explain(err)
}
