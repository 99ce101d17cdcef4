package plainhttp

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
)

// Render is render.
var Render = render

// Decode decodes body with a decoder of the pool and hands the events to use,
// which must not keep them.
func Decode(body []byte, most int, use func([]admit.Submission)) *daybook.Error {
	d := newDecoder(nil)
	defer d.release()
	events, err := d.decode(body, most)
	use(events)
	return err
}
