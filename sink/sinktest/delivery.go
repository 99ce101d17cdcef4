package sinktest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"daybook.dev"
)

func (s *suite) delivery(t *testing.T) {
	s.run(t, "what is written arrives complete", testComplete)
	s.run(t, "an event of the largest size arrives", testLargest)
	s.run(t, "an empty Write is no error and nothing arrives", testEmpty)
	s.run(t, "Writes at the same time all arrive", testConcurrent)
	s.promised(t, s.traits.Ordered, "events of one Write arrive in order", testOrder)
	s.promised(t, s.traits.ExactNumbers, "numbers arrive as they were written", func(t *testing.T, d *destination) {
		e := withMetadata(Event("numbers"), `{"a":1e400,"b":12345678901234567890.000,"c":-0,"d":0.1e-7,"e":{"f":[1.0]}}`)
		d.mustWrite(t, e)
		d.arrived(t, e)
	})
}

func testComplete(t *testing.T, d *destination) {
	events := []daybook.Event{
		Event("full"),
		{ID: "least", Name: "app-start"},
		{ID: "no-metadata", Name: "app-start", Type: daybook.Log, Time: happened},
		withMetadata(Event("empty-metadata"), `{}`),
		withMetadata(Event("texts"), `{"grüße":"Zoë 🎉 \ud83d\ude80 \" \\ \/ \n \t \u2028 <b>&amp;</b>","":"a name of nothing","a.b":{"$c":"%s"}}`),
		withMetadata(Event("spread"), "{\n  \"over\": [\n 1,\r\n\t2 ],\n  \"lines\": { }\n}"),
		withMetadata(Event("0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001"), `{"id":"of the usual form"}`),
		withMetadata(Event("an id/with: \"signs\" & ümlauts"), `{}`),
		sampled(Event("sampled")),
	}
	events[4].Name = "größer \"quoted\" \\ 🎉"
	d.mustWrite(t, events...)
	d.arrived(t, events...)
}

func sampled(e daybook.Event) daybook.Event {
	e.SampleRate = 0.25
	return e
}

func testLargest(t *testing.T, d *destination) {
	const frame = len(`{"text":""}`)
	chance := rand.New(rand.NewPCG(1, 2)) // text that compression does not make small
	text := make([]byte, d.traits.Largest-frame)
	for i := range text {
		text[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[chance.IntN(64)]
	}
	e := withMetadata(Event("large"), `{"text":"`+string(text)+`"}`)
	d.mustWrite(t, e)
	d.arrived(t, e)
}

func testEmpty(t *testing.T, d *destination) {
	d.mustWrite(t)
	if err := d.Sink.Write(t.Context(), []daybook.Event{}); err != nil {
		t.Error(err)
	}
	d.arrived(t)
}

func testOrder(t *testing.T, d *destination) {
	events := Events("e", 100)
	for i := range events {
		events[i] = withMetadata(events[i], fmt.Sprintf(`{"n":%d}`, i))
	}
	d.mustWrite(t, events...)
	got := d.Arrived(t, len(events))
	if len(got) != len(events) && !d.traits.AtLeastOnce {
		t.Fatalf("%d arrived, want %d", len(got), len(events))
	}
	next := 0
	for _, a := range got {
		if next < len(events) && d.text(t, a) == d.text(t, d.traits.Expect(events[next])) {
			next++
		}
	}
	if next < len(events) {
		t.Errorf("event %d did not arrive behind those before it", next)
	}
}

func testConcurrent(t *testing.T, d *destination) {
	const writers, writes, size = 8, 4, 5
	var all []daybook.Event
	var writing sync.WaitGroup
	for w := range writers {
		for n := range writes {
			all = append(all, Events(fmt.Sprintf("%d-%d", w, n), size)...)
		}
		mine := all[w*writes*size:]
		writing.Go(func() {
			for n := range writes {
				if err := d.write(t.Context(), t, mine[n*size:(n+1)*size]...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	d.arrived(t, all...)
}
