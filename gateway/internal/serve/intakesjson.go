package serve

import (
	"net/http"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/activity"
	"daybook.dev/gateway/internal/intake/cloudevents"
	"daybook.dev/gateway/internal/intake/firstparty"
)

// completeEvents adds the routes of the protocols whose senders complete their
// events themselves and write them in JSON.
func (g *Gateway) completeEvents(routes *http.ServeMux, door intake.Door) {
	activities := &activity.Service{Door: door, EventBytes: int(g.config.Limits.Event)}
	for pattern, handler := range activities.Routes() {
		routes.Handle(pattern, g.metrics.timed(activity.Protocol, handler))
	}
	routes.Handle(firstparty.Path, g.metrics.timed(firstparty.Protocol, &firstparty.Handler{Door: door}))
	routes.Handle(cloudevents.Path, g.metrics.timed(cloudevents.Protocol, &cloudevents.Handler{Door: door}))
}
