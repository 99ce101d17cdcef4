package direct

import (
	"encoding/json"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Letter returns the event of a record that was set aside as a destination for
// dead letters gets it. Everything is as it was, but for the metadata: beside
// the event's own, which is null when it had none and a text when it is no JSON,
// stands why.
//
//	{"refusal":{"code":"invalid","reason":"blank_name","field":"event_name","message":"…"},"metadata":{…}}
func Letter(r *store.Record) daybook.Event {
	e := r.Outgoing()
	refusal := refusalJSON{Code: daybook.Internal}
	if f := r.Refusal; f != nil {
		refusal = refusalJSON{Code: f.Code, Reason: f.Reason, Field: f.Field, Message: f.Message, Destination: f.Destination, Attempts: f.Attempts}
	}
	why, _ := json.Marshal(refusal) // texts and a number: it cannot fail
	metadata := append([]byte(`{"refusal":`), why...)
	metadata = append(metadata, `,"metadata":`...)
	metadata = append(metadata, own(e.Metadata)...)
	metadata = append(metadata, '}')
	e.Metadata = metadata
	return e
}

// own returns the metadata that the event has, as some JSON.
func own(metadata json.RawMessage) []byte {
	switch {
	case len(metadata) == 0:
		return []byte("null")
	case json.Valid(metadata):
		return metadata // as it was written, numbers and all
	}
	text, _ := json.Marshal(string(metadata)) // a text: it cannot fail
	return text
}

// A refusalJSON is why an event was set aside.
type refusalJSON struct {
	Code        daybook.Code `json:"code"`
	Reason      string       `json:"reason,omitempty"`
	Field       string       `json:"field,omitempty"`
	Message     string       `json:"message,omitempty"`
	Destination string       `json:"destination,omitempty"`
	Attempts    uint32       `json:"attempts,omitempty"`
}
