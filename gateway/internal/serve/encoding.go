package serve

import (
	"daybook.dev"
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
