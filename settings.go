package daybook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"
)

// Settings are what may change while a program runs. Their zero value changes
// nothing. As JSON they are what a gateway serves: docs/settings.md.
type Settings struct { //nolint:recvcheck // MarshalJSON by value, so that settings in a struct are written so too
	// Sampling is the share of events to keep, by name. An event whose name is
	// not listed is kept.
	Sampling map[string]SampleRule

	// Kill says which sinks are off.
	Kill KillSettings

	// Batch overrides Config.Batch, member by member; zero keeps it.
	Batch BatchOptions

	// QueueEvents overrides Config.Queue.Events, and Attempts
	// Config.Retry.Attempts; zero keeps them.
	QueueEvents, Attempts int

	// Gateway moves the sink of Config.Gateway.
	Gateway GatewaySettings
}

// A SampleRule says which share of an event's kind is kept.
type SampleRule struct {
	// Rate is the share: 0 keeps none, 1 all. What is less or more, or no
	// number, keeps all, as if there were no rule.
	Rate float64

	// By names the text attribute, such as "user_id", by which the decision is
	// made: events with the same value share one fate, so that funnels stay
	// whole. Empty decides by the event's ID, as if by chance, but the same for
	// every copy of the event. An event without the attribute is decided so too.
	By string
}

// KillSettings switch sinks off.
type KillSettings struct {
	// Sinks are the names of the sinks that are off; "*" is all of them. Their
	// new events are dropped, and so are those waiting in memory.
	Sinks []string

	// Purge removes what a spool holds for them. Otherwise it is held until
	// they are on again, or it is too old.
	Purge bool
}

// GatewaySettings move the sink of Config.Gateway.
type GatewaySettings struct {
	BaseURL string // used only where its host is Config.Gateway's or one of Config.Hosts
	Path    string // where events are posted; "" means /v1/events
	SkipKey bool   // send no key
}

// A SettingsSource knows the settings. One that also has the method
// Changed() <-chan struct{} is asked again when the channel delivers, and all of
// them every minute. Settings may block: it is never called on the goroutine
// of a caller, nor twice at once.
type SettingsSource interface {
	Settings(ctx context.Context) (Settings, error)
}

// The limits within which settings are kept: what comes from afar must not be
// able to stop a program or flood a gateway.
const (
	maxBatchEvents = 10_000
	minBatchBytes  = 4 << 10
	maxBatchBytes  = 8 << 20
	minBatchAge    = 10 * time.Millisecond
	maxBatchAge    = time.Hour
	minQueueEvents = 16
	maxQueueEvents = 1 << 20
	maxAttempts    = 1000
	maxSampling    = 10_000
)

// clamp returns the settings within limits, sharing nothing with them. Zero
// stays zero: "not set".
func (s *Settings) clamp() Settings {
	c := *s
	c.Sampling, c.Kill.Sinks = maps.Clone(s.Sampling), slices.Clone(s.Kill.Sinks)
	within := func(v, least, most int) int {
		if v <= 0 {
			return 0
		}
		return min(max(v, least), most)
	}
	c.Batch.Events = within(c.Batch.Events, 1, maxBatchEvents)
	c.Batch.Bytes = within(c.Batch.Bytes, minBatchBytes, maxBatchBytes)
	if c.Batch.Age <= 0 {
		c.Batch.Age = 0
	} else {
		c.Batch.Age = min(max(c.Batch.Age, minBatchAge), maxBatchAge)
	}
	c.QueueEvents = within(c.QueueEvents, minQueueEvents, maxQueueEvents)
	c.Attempts = within(c.Attempts, 1, maxAttempts)
	return c
}

// kills reports whether the sink of that name is off.
func (k *KillSettings) kills(sink string) bool {
	return len(k.Sinks) > 0 && (slices.Contains(k.Sinks, sink) || slices.Contains(k.Sinks, "*"))
}

// A Decision is what sampling says about one event. It is made once, before the
// event is handed to any sink.
type Decision struct {
	Keep bool

	// Rate is the share of such events that is kept, above 0 and below 1. Zero
	// means that the event was not sampled.
	Rate float64
}

// decide decides about an event. text returns a text attribute of it.
func (s *Settings) decide(e *Event, text func(key string) string) Decision {
	rule, listed := s.Sampling[e.Name]
	switch {
	case !listed, math.IsNaN(rule.Rate), rule.Rate < 0, rule.Rate >= 1:
		return Decision{Keep: true}
	case rule.Rate == 0:
		return Decision{}
	}
	// The prefix makes the lot another than the one a gateway's rule draws from
	// the same ID: the two rates would not multiply.
	lot := share("sdk:" + e.ID)
	if rule.By != "" {
		if by := text(rule.By); by != "" {
			lot = share(by)
		}
	}
	return Decision{Keep: lot < rule.Rate, Rate: rule.Rate}
}

// share maps a key to a number from 0 up to 1, evenly: the first 8 bytes of its
// SHA-256, big endian, over 2^64.
func share(key string) float64 {
	sum := sha256.Sum256([]byte(key))
	return float64(binary.BigEndian.Uint64(sum[:])) / (1 << 64)
}

// settingsJSON is how a gateway writes [Settings]. The members of batch have
// two spellings: ours, and those of the first-party logger.
type settingsJSON struct {
	Sampling map[string]json.RawMessage `json:"sampling"`
	Kill     json.RawMessage            `json:"kill"`
	Batch    batchJSON                  `json:"batch"`
}

type batchJSON struct {
	Events      number `json:"events"`
	Bytes       number `json:"bytes"`
	AgeMillis   number `json:"age_millis"`
	QueueEvents number `json:"queue_events"`
	Attempts    number `json:"attempts"`

	MaxExportBatchSize   number `json:"maxExportBatchSize"`
	ScheduledDelayMillis number `json:"scheduledDelayMillis"`
	MaxQueueSize         number `json:"maxQueueSize"`
	MaxAttempts          number `json:"maxAttempts"`

	SkipAuth bool   `json:"skipAuth"`
	Path     string `json:"path"`
	BaseURL  string `json:"baseUrl"`
}

// A number is a JSON number; anything else reads as not set, because one wrong
// member must not cost the others.
type number float64

// UnmarshalJSON implements [json.Unmarshaler].
func (n *number) UnmarshalJSON(text []byte) error {
	var f float64
	if json.Unmarshal(text, &f) != nil || math.IsNaN(f) || f < 0 {
		f = 0
	}
	*n = number(min(f, math.MaxInt32))
	return nil
}

func (n number) or(other number) int { return int(cmp.Or(n, other)) }

// UnmarshalJSON reads settings as a gateway serves them. Members that are
// unknown, or not what they should be, count as not set: a rule that cannot be
// read keeps everything. Only what is no JSON object is an error.
func (s *Settings) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return &Error{Code: Invalid, Where: "settings", Reason: "not_an_object", Message: "the settings are not a JSON object", Err: err}
	}
	var j settingsJSON
	// Each by itself: what is wrong in one says nothing about the others.
	_ = json.Unmarshal(members["sampling"], &j.Sampling)
	_ = json.Unmarshal(members["batch"], &j.Batch)
	*s = Settings{
		Sampling: samplingOf(j.Sampling),
		Kill:     killOf(members["kill"]),
		Batch: BatchOptions{
			Events: j.Batch.Events.or(j.Batch.MaxExportBatchSize),
			Bytes:  int(j.Batch.Bytes),
			Age:    time.Duration(j.Batch.AgeMillis.or(j.Batch.ScheduledDelayMillis)) * time.Millisecond,
		},
		QueueEvents: j.Batch.QueueEvents.or(j.Batch.MaxQueueSize),
		Attempts:    j.Batch.Attempts.or(j.Batch.MaxAttempts),
		Gateway:     GatewaySettings{BaseURL: j.Batch.BaseURL, Path: j.Batch.Path, SkipKey: j.Batch.SkipAuth},
	}
	*s = s.clamp()
	return nil
}

// samplingOf reads the rules that can be read.
func samplingOf(rules map[string]json.RawMessage) map[string]SampleRule {
	if len(rules) == 0 || len(rules) > maxSampling {
		return nil
	}
	sampling := make(map[string]SampleRule, len(rules))
	for name, text := range rules {
		var rule struct {
			Rate json.RawMessage `json:"sample_rate"`
			By   string          `json:"by"`
		}
		var rate float64
		if json.Unmarshal(text, &rule) != nil || len(rule.Rate) == 0 || bytes.Equal(rule.Rate, []byte("null")) ||
			json.Unmarshal(rule.Rate, &rate) != nil || rate < 0 || rate > 1 {
			continue
		}
		sampling[name] = SampleRule{Rate: rate, By: rule.By}
	}
	return sampling
}

// killOf reads the kill switch: a list of sinks, or {"sinks":[…],"purge":true}.
func killOf(text json.RawMessage) (k KillSettings) {
	if json.Unmarshal(text, &k.Sinks) == nil {
		return k
	}
	var long struct {
		Sinks []string `json:"sinks"`
		Purge bool     `json:"purge"`
	}
	if json.Unmarshal(text, &long) != nil {
		return KillSettings{}
	}
	return KillSettings{Sinks: long.Sinks, Purge: long.Purge}
}

// MarshalJSON writes settings as a gateway serves them, and as they are kept on
// disk between runs.
func (s Settings) MarshalJSON() ([]byte, error) {
	type rule struct {
		Rate float64 `json:"sample_rate"`
		By   string  `json:"by,omitempty"`
	}
	sampling := make(map[string]rule, len(s.Sampling))
	for name, r := range s.Sampling {
		if r.Rate >= 0 { // otherwise it is no rule
			sampling[name] = rule{Rate: min(r.Rate, 1), By: r.By}
		}
	}
	return json.Marshal(map[string]any{
		"sampling": sampling,
		"kill":     map[string]any{"sinks": s.Kill.Sinks, "purge": s.Kill.Purge},
		"batch": map[string]any{
			"events": s.Batch.Events, "bytes": s.Batch.Bytes, "age_millis": s.Batch.Age.Milliseconds(),
			"queue_events": s.QueueEvents, "attempts": s.Attempts,
			"baseUrl": s.Gateway.BaseURL, "path": s.Gateway.Path, "skipAuth": s.Gateway.SkipKey,
		},
	})
}
