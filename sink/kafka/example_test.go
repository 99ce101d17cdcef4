package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"daybook.dev"
	"daybook.dev/sink/kafka"
)

// An application writes its events straight to Kafka. What follows Open knows a
// daybook.Sink only, so the destination can be another tomorrow.
func Example() {
	cluster := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events")) // a Kafka in this process
	defer cluster.Close()
	ctx := context.Background()

	var events daybook.Sink
	events, err := kafka.Open(ctx, kafka.Config{
		Brokers: cluster.ListenAddrs(), // yours: "kafka-1:9092", "kafka-2:9092"
		Topic:   "events",
		Key:     kafka.KeyActor, // in order for each actor
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = events.Close(ctx) }()

	err = events.Write(ctx, []daybook.Event{{
		ID:       "5f3c1e9a-6c1f-4f0e-9d37-2b1d5f1f7a10", // the same at every attempt
		Name:     "login-success",
		Type:     daybook.Behavioral,
		Actor:    "ann",
		Time:     time.Now(),
		Metadata: []byte(`{"plan":"pro"}`),
	}})
	var partial *daybook.PartialError
	switch {
	case errors.As(err, &partial):
		fmt.Println("not taken:", partial.Failed)
	case err != nil:
		fmt.Println("try again:", err)
	default:
		fmt.Println("every in-sync replica has it")
	}
	// Output: every in-sync replica has it
}
