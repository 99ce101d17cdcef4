package telemetrygateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake/wirejson"
)

// EventType is the type of every event of this protocol.
const EventType daybook.Type = "telemetry"

// maxEventBytes is how much JSON one event may have: what one message of Cloud
// Pub/Sub holds, the original's only destination.
const maxEventBytes = 10_000_000

// maxActorBytes is how long an actor may be. A longer one stays in the metadata
// alone: the contract knows no limit for users' ids, and no reason to refuse one.
const maxActorBytes = 256

func shapeOf(m proto.Message) *wirejson.Shape { return wirejson.Of(m.ProtoReflect().Descriptor()) }

// The messages that are looked into.
var (
	eventShape      = shapeOf(&telemetrygatewayv1.Event{})
	timestampShape  = shapeOf((&telemetrygatewayv1.Event{}).GetTimestamp())
	parametersShape = shapeOf(&telemetrygatewayv1.EventParameters{})
	userShape       = shapeOf(&telemetrygatewayv1.EventUser{})
)

// The numbers of the fields that are looked at.
const (
	eventID                protowire.Number = 1
	eventTimestamp         protowire.Number = 2
	eventFeature           protowire.Number = 3
	eventAction            protowire.Number = 4
	eventSource            protowire.Number = 5
	eventParameters        protowire.Number = 6
	eventUser              protowire.Number = 7
	eventMarketingTracking protowire.Number = 9

	timestampSeconds protowire.Number = 1
	timestampNanos   protowire.Number = 2

	parametersLegacyMetadata  protowire.Number = 2
	parametersPrivateMetadata protowire.Number = 3
	parametersMetadata        protowire.Number = 5

	userID           protowire.Number = 1
	userAnonymousID  protowire.Number = 2
	userSAMSExternal protowire.Number = 3
)

// A decoder turns events into submissions. It belongs to one stream.
type decoder struct {
	private Allowed
	public  bool // what is about marketing is kept
	json    wirejson.Encoder
	space   []byte // the metadata of the events since reset

	// names has the event names seen last: a client's events have few.
	names map[string]string
}

// keepSpace is how much space stays allocated between two batches.
const keepSpace = 4 << 20

// reset forgets the events decoded so far: nobody uses their metadata any more.
func (d *decoder) reset() {
	d.space = d.space[:0]
	if cap(d.space) > keepSpace {
		d.space = nil
	}
}

// event decodes one event and redacts it. What is wrong with it, it says itself:
// a stream outlives its bad events. The metadata is the decoder's until reset.
func (d *decoder) event(b []byte) admit.Submission {
	var f wirejson.Fields
	err := eventShape.Parse(b, &f)
	s := admit.Submission{Quarantine: true, MaxBytes: maxEventBytes, Event: daybook.Event{
		ID: string(f[eventID].Bytes), Type: EventType, Name: d.name(f[eventFeature].Bytes, f[eventAction].Bytes),
	}}
	if err == nil {
		s.Event.Actor, err = actorOf(&f[eventUser])
	}
	if err == nil {
		s.Event.Metadata, err = d.metadata(&f)
	}
	if errors.Is(err, wirejson.ErrTooLong) {
		s.Event.Metadata = d.essence(&f)
	}
	s.Event.Time, s.TimeGiven, s.Err = timeOf(&f[eventTimestamp])
	if problem := problemOf(&f, err); problem != nil {
		s.Err = problem
	}
	return s
}

// name returns feature.action, and the same text for the same event.
func (d *decoder) name(feature, action []byte) string {
	const most = 64
	var space [2*maxWordBytes + 1]byte
	name := append(append(append(space[:0], feature...), '.'), action...)
	if known, ok := d.names[string(name)]; ok {
		return known
	}
	if d.names == nil || len(d.names) == most {
		d.names = map[string]string{}
	}
	text := string(name)
	if len(text) <= len(space) {
		d.names[text] = text
	}
	return text
}

// metadata appends to space what protojson makes of the event, without id and
// timestamp, and returns it.
func (d *decoder) metadata(f *wirejson.Fields) (json.RawMessage, error) {
	begin := len(d.space)
	d.json.MaxBytes = begin + maxEventBytes
	dst, err := d.members(append(d.space, '{'), f)
	if err != nil {
		d.space = dst[:begin]
		return nil, err
	}
	dst = append(dst, '}')
	d.space = dst
	return d.space[begin:len(d.space):len(d.space)], nil
}

func (d *decoder) members(dst []byte, f *wirejson.Fields) ([]byte, error) {
	for _, n := range eventShape.Numbers() {
		var err error
		switch {
		case n == eventID, n == eventTimestamp:
		case n == eventMarketingTracking && !d.public:
		case n == eventParameters && f[n].Set:
			allowed := d.private.of(f[eventFeature].Bytes, f[eventAction].Bytes)
			dst, err = d.parameters(eventShape.AppendName(dst, n), f[n].Bytes, allowed)
		default:
			dst, err = d.json.AppendMember(dst, eventShape, n, &f[n])
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// parameters appends an event's parameters: of what is private that which is
// allowed, and the two kinds of numbers as one.
func (d *decoder) parameters(dst, b []byte, allowed []string) ([]byte, error) {
	var f wirejson.Fields
	if err := parametersShape.Parse(b, &f); err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	for _, n := range parametersShape.Numbers() {
		var err error
		switch n {
		case parametersLegacyMetadata:
		case parametersMetadata:
			if f[n].Set || f[parametersLegacyMetadata].Set {
				dst = parametersShape.AppendName(dst, n)
				dst, err = d.json.AppendDoubles(dst, parametersShape, b, n, parametersLegacyMetadata)
			}
		case parametersPrivateMetadata:
			mark := len(dst)
			named := len(parametersShape.AppendName(dst, n))
			dst, err = appendPrivate(parametersShape.AppendName(dst, n), f[n].Bytes, allowed)
			if len(dst) == named { // nothing of it may be kept
				dst = dst[:mark]
			}
		default:
			dst, err = d.json.AppendMember(dst, parametersShape, n, &f[n])
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// essence is what is kept of an event that is too large: what it is about and
// where it comes from, unless that is what is too large.
func (d *decoder) essence(f *wirejson.Fields) json.RawMessage {
	const most = 64 << 10
	e := wirejson.Encoder{MaxBytes: most}
	dst := []byte{'{'}
	for _, n := range [...]protowire.Number{eventFeature, eventAction, eventSource} {
		var err error
		if dst, err = e.AppendMember(dst, eventShape, n, &f[n]); err != nil {
			return nil
		}
	}
	return append(dst, '}')
}

// timeOf returns an event's time, or why it has none.
func timeOf(timestamp *wirejson.Field) (t time.Time, given bool, problem *daybook.Error) {
	if !timestamp.Set {
		return t, false, invalid("timestamp", reasonMissingTime, "timestamp is required")
	}
	var f wirejson.Fields
	if timestampShape.Parse(timestamp.Bytes, &f) != nil {
		return t, false, malformed()
	}
	const first, last = -62135596800, 253402300799 // of the years 0001 to 9999
	seconds, nanos := f[timestampSeconds].Int(), f[timestampNanos].Int()
	if seconds < first || seconds > last || nanos < 0 || nanos >= int64(time.Second) {
		return t, false, invalid("timestamp", reasonInvalidTime, "timestamp is outside the years 0001 to 9999, or its nanoseconds are no part of a second")
	}
	return time.Unix(seconds, nanos).UTC(), true, nil
}

// actorOf returns who did it: sams_external_id, else user_id, else
// anonymous_user_id.
func actorOf(user *wirejson.Field) (string, error) {
	var f wirejson.Fields
	if err := userShape.Parse(user.Bytes, &f); err != nil {
		return "", err
	}
	actor := string(f[userSAMSExternal].Bytes)
	if actor == "" && f[userID].Set {
		actor = strconv.FormatInt(f[userID].Int(), 10)
	}
	if actor == "" {
		actor = string(f[userAnonymousID].Bytes)
	}
	if len(actor) > maxActorBytes {
		return "", nil
	}
	return actor, nil
}

// problemOf returns why the event can never become valid, beside its time. Err is
// why it could not be written down.
func problemOf(f *wirejson.Fields, err error) *daybook.Error {
	switch {
	case errors.Is(err, wirejson.ErrTooLong):
		return &daybook.Error{
			Code: daybook.TooLarge, Reason: reasonEventTooLarge,
			Message: fmt.Sprintf("the event has more than %d bytes of JSON, which is the limit", maxEventBytes),
		}
	case errors.Is(err, wirejson.ErrTooManyKeys):
		return invalid("", reasonTooManyKeys, fmt.Sprintf("a map of the event has more than %d keys", wirejson.MaxKeys))
	case err != nil:
		return malformed()
	case len(f[eventID].Bytes) == 0:
		return invalid("id", reasonMissingID, "id is required")
	case !validWord(f[eventFeature].Bytes):
		return invalid("feature", reasonInvalidWord, "feature must be "+wordRule)
	case !validWord(f[eventAction].Bytes):
		return invalid("action", reasonInvalidWord, "action must be "+wordRule)
	}
	return nil
}

func malformed() *daybook.Error {
	return invalid("", reasonInvalidProtobuf, "it is not a valid telemetrygateway.v1.Event; what it holds is not kept")
}

func invalid(field, reason, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: field, Reason: reason, Message: message}
}
