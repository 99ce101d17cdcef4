package otlp

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
)

// Decode decodes body with a decoder of the pool and hands the events to use,
// which must not keep them.
func Decode(body []byte, json bool, most int, use func([]admit.Submission)) *daybook.Error {
	d := newDecoder(nil)
	defer d.release()
	e := inProto
	if json {
		e = inJSON
	}
	events, err := d.decode(body, e, most, Keep)
	use(events)
	return err
}

// Response renders the answer to a request.
func Response(json bool, outcomes []daybook.Outcome) []byte {
	if json {
		return response(inJSON, outcomes)
	}
	return response(inProto, outcomes)
}
