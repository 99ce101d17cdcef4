package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Missing returns the command that makes the stream, or nothing when one takes
// the subject.
func (s *Sink) Missing(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	missing, err := s.missing(ctx)
	if err != nil || !missing {
		return nil, s.explain(err)
	}
	c := s.streamConfig()
	return []string{fmt.Sprintf("nats stream add %s --subjects=%s --storage=file --replicas=%d --dupe-window=%s --defaults",
		c.Name, c.Subjects[0], c.Replicas, c.Duplicates)}, nil
}

// missing reports whether no stream takes the subject. It is an error when
// another than the configured one does.
func (s *Sink) missing(ctx context.Context) (bool, error) {
	name, err := s.stream.StreamNameBySubject(ctx, s.subject.pattern())
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return true, nil
	case err != nil:
		return false, err
	case s.config.Stream != "" && s.config.Stream != name:
		return false, invalid("stream", fmt.Sprintf("stream %s takes the subject, and not %s", name, s.config.Stream))
	default:
		return false, nil
	}
}

// streamConfig is the stream that Create makes. What is not said here is as the
// servers have it: no limits, old messages go first where there are some.
func (s *Sink) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:       cmp.Or(s.config.Stream, defaultStream),
		Subjects:   []string{s.subject.pattern()},
		Storage:    jetstream.FileStorage,
		Replicas:   s.config.Replicas,
		Duplicates: s.config.DuplicateWindow,
	}
}

// Create makes the stream where none takes the subject.
func (s *Sink) Create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	missing, err := s.missing(ctx)
	if err != nil || !missing {
		return s.explain(err)
	}
	_, err = s.stream.CreateStream(ctx, s.streamConfig())
	return s.explain(err)
}
