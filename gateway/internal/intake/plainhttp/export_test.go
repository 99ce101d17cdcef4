package plainhttp

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/eventjson"
)

// Render is how outcomes are answered.
var Render = intake.AppendResults

// Decode decodes body with a decoder of the pool and hands the events to use,
// which must not keep them.
func Decode(body []byte, most int, use func([]admit.Submission)) *daybook.Error {
	d := eventjson.New(eventjson.Form{}, nil)
	defer d.Release()
	events, err := d.Decode(body, most)
	use(events)
	return err
}
