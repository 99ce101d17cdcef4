package main

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/pflag"

	"daybook.dev/gateway/internal/admit"
)

// eventFlags are the members of a single event that are not its metadata.
type eventFlags struct {
	eventType, actor, id, at, idempotencyKey string
}

func (f *eventFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&f.eventType, "type", "", "`TYPE` of the event, such as behavioral")
	flags.StringVar(&f.actor, "actor", "", "who did it: the `ID` of an actor")
	flags.StringVar(&f.id, "id", "", "`ID` of the event (default a new UUID)")
	flags.StringVar(&f.at, "time", "", "`TIME` when it happened, such as 2026-01-31T12:00:00Z (default now)")
	flags.StringVar(&f.idempotencyKey, "idempotency-key", "", "`KEY` of the caller's own, kept with the event")
}

// given returns the name of a flag that was given, or "".
func (f *eventFlags) given() string {
	for _, flag := range [...]struct{ name, value string }{
		{"type", f.eventType}, {"actor", f.actor}, {"id", f.id}, {"time", f.at}, {"idempotency-key", f.idempotencyKey},
	} {
		if flag.value != "" {
			return flag.name
		}
	}
	return ""
}

// flagOf names the flag for each member that is the event's own, so that
// actor_id=ann is not taken for metadata.
var flagOf = map[string]string{
	"event_id": "--id", "event_type": "--type", "actor_id": "--actor", "event_ts": "--time", "event_time": "--time",
	"idempotency_key": "--idempotency-key", "event_name": "NAME",
}

// line returns the event as a line of JSON. The time is always in it: an event
// that is sent again later still happened now.
func (f *eventFlags) line(name string, pairs []string) ([]byte, error) {
	at := time.Now().UTC().Format(time.RFC3339Nano)
	if f.at != "" {
		if _, err := time.Parse(time.RFC3339Nano, f.at); err != nil {
			return nil, wrongUsage("--time: %q is not a time such as 2026-01-31T12:00:00Z", f.at)
		}
		at = f.at
	}
	metadata, err := metadataOf(pairs)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for _, member := range [...]struct{ name, value string }{
		{"event_name", name},
		{"event_id", f.id},
		{"event_type", f.eventType},
		{"actor_id", f.actor},
		{"event_ts", at},
		{"idempotency_key", f.idempotencyKey},
	} {
		if member.value == "" && member.name != "event_name" {
			continue
		}
		if b, err = appendPair(b, member.name, member.value); err != nil {
			return nil, wrongUsage("%s: %v", member.name, err)
		}
	}
	if len(pairs) > 0 {
		b = append(append(b, `,"metadata":`...), metadata...)
	}
	return append(b, '}'), nil
}

// metadataOf turns KEY=TEXT and KEY:=JSON arguments into an object, in their
// order.
func metadataOf(pairs []string) ([]byte, error) {
	b := []byte{'{'}
	seen := map[string]bool{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		key, isJSON := strings.CutSuffix(key, ":")
		switch {
		case !ok || key == "":
			return nil, wrongUsage("%q is neither KEY=TEXT nor KEY:=JSON", pair)
		case key == "metadata":
			return nil, wrongUsage("metadata is what the pairs make: write its members, such as plan=pro or seats:=3")
		case key == admit.EnvelopeKey:
			return nil, wrongUsage("%s is the gateway's own member: choose another name", key)
		case flagOf[key] != "":
			return nil, wrongUsage("%s is the event's own and not metadata: use %s", key, flagOf[key])
		case seen[key]:
			return nil, wrongUsage("%s is given twice", key)
		}
		seen[key] = true
		if !isJSON {
			var err error
			if b, err = appendPair(b, key, value); err != nil {
				return nil, wrongUsage("%s: %v", key, err)
			}
			continue
		}
		if !jsontext.Value(value).IsValid() {
			return nil, wrongUsage("%s: %q is not JSON; text is written %s=TEXT", key, value, key)
		}
		var err error
		if b, err = appendName(b, key); err != nil {
			return nil, wrongUsage("%q: %v", key, err)
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

func appendPair(b []byte, name, value string) ([]byte, error) {
	b, err := appendName(b, name)
	if err != nil {
		return nil, err
	}
	return jsontext.AppendQuote(b, value)
}

func appendName(b []byte, name string) ([]byte, error) {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b, err := jsontext.AppendQuote(b, name)
	return append(b, ':'), err
}
