package serve

import (
	"net/http"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/otlp"
	"daybook.dev/gateway/internal/intake/segment"
)

// publicProtocols adds the routes of the protocols that others have written down
// and whose SDKs send here unchanged.
func (g *Gateway) publicProtocols(routes *http.ServeMux, door intake.Door, budget *intake.Budget) {
	logs := &otlp.Service{Door: door, Budget: budget, Unnamed: otlp.Unnamed(g.config.OTLP.Unnamed)}
	routes.Handle(otlp.Path, g.metrics.timed(otlp.Protocol, logs.Handler()))
	if err := otlp.Define(); err != nil {
		g.log.Warn("gRPC reflection does not describe a service", "service", otlp.ServiceName, "err", err)
	}
	routes.Handle(otlp.RPCPath, g.metrics.timed(otlp.Protocol, logs.RPCHandler(int(g.config.Limits.Request))))
	(&segment.Handler{Door: door}).Handle(routes, func(h http.Handler) http.Handler { return g.metrics.timed(segment.Protocol, h) })
}
