package sinktest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"daybook.dev"
)

// Canary is a part of the content of every event of the suite. No error may
// contain it.
const Canary = "canary-5d1f"

// happened is when the events of the suite happened, to the nanosecond that
// not every destination keeps.
var happened = time.Date(2026, time.November, 21, 9, 35, 43, 123456000, time.UTC)

// Event returns an event that has everything, stored by a gateway for the
// caller "checkout".
func Event(id string) daybook.Event {
	return daybook.Event{
		ID: id, Name: "login-success", Type: daybook.Behavioral, Actor: Canary + "@example.com", Time: happened,
		Metadata:       []byte(`{"plan":"pro","seats":3,"ratio":0.5,"trial":false,"coupon":null,"secret":"` + Canary + `","details":{"tags":["a","b"],"deep":{"er":[{}]}}}`),
		IdempotencyKey: Canary + "-key",
		Origin: &daybook.Origin{
			Scope: "checkout", Caller: "checkout", Protocol: "http", Instance: "gateway-1", Received: happened.Add(time.Second),
		},
	}
}

// Events returns n events with the ids prefix-0, prefix-1 and so on.
func Events(prefix string, n int) []daybook.Event {
	events := make([]daybook.Event, n)
	for i := range events {
		events[i] = Event(fmt.Sprintf("%s-%d", prefix, i))
	}
	return events
}

// withMetadata returns e with other metadata.
func withMetadata(e daybook.Event, metadata string) daybook.Event {
	e.Metadata = []byte(metadata)
	return e
}

// clone returns events in memory of their own.
func clone(events []daybook.Event) []daybook.Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].Metadata = bytes.Clone(events[i].Metadata)
	}
	return events
}

// poison destroys events as their owner does who uses the memory again.
func poison(events []daybook.Event) {
	for i := range events {
		for j := range events[i].Metadata {
			events[i].Metadata[j] = '!'
		}
		events[i] = daybook.Event{ID: "poisoned", Name: "poisoned"}
	}
}
