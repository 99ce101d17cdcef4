package serve

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/sink"
)

// encodingNamed returns the encoding of that word. The words are those of the
// keys' tags, so that another is refused before.
func encodingNamed(word string) sink.Encoding {
	switch word {
	case "row":
		return rowEncoding{}
	case "cloudevents":
		return sink.CloudEvents{}
	case "telemetry-gateway":
		return telemetryEncoding{}
	}
	return sink.Flat{}
}

// rowEncoding writes events as tail and dump show them.
type rowEncoding struct{}

// Encode implements [sink.Encoding].
func (rowEncoding) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	entry := store.Entry{Record: store.Record{Kind: store.KindEvent, Event: *e}}
	if o := e.Origin; o != nil {
		entry.Caller, entry.Protocol, entry.Instance, entry.Received = o.Caller, o.Protocol, o.Instance, o.Received
	}
	return sink.Message{Value: query.AppendRow(dst, entry)}, nil
}

// telemetryEncoding writes the events of the telemetry gateway's protocol as
// that service published them.
type telemetryEncoding struct{}

// Encode implements [sink.Encoding].
func (telemetryEncoding) Encode(dst []byte, e *daybook.Event) (sink.Message, error) {
	value, attributes, err := telemetrygateway.Publish(dst, e)
	return sink.Message{Value: value, Attributes: attributes}, err
}
