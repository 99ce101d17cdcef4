package serve

import (
	"net/http"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/logevent"
	"daybook.dev/gateway/internal/intake/otlp"
	"daybook.dev/gateway/internal/intake/plainhttp"
	"daybook.dev/gateway/internal/intake/rpcinfo"
	"daybook.dev/gateway/internal/intake/settings"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
	"daybook.dev/gateway/internal/operations"
)

// intakes returns the routes of the protocols. They share one budget for what
// is in memory.
func (g *Gateway) intakes(a *accept.Accepter) *http.ServeMux {
	limits := g.config.Limits
	budget := intake.NewBudget(int64(limits.Memory))
	budget.Shed = g.metrics.countShed
	door := intake.Door{
		Callers:    g.callers,
		Accept:     a.Accept,
		Body:       &intake.Body{MaxBytes: int64(limits.Request), MaxDecoded: int64(limits.Decompressed), Budget: budget},
		Durability: g.store.Durability(), MaxEvents: limits.Batch,
		Report: g.metrics.countClientDrops, Refused: g.refused,
	}

	routes := http.NewServeMux()
	routes.Handle(plainhttp.Path, g.metrics.timed(plainhttp.Protocol, &plainhttp.Handler{Door: door}))
	g.completeEvents(routes, door)
	routes.Handle(logevent.Path, g.metrics.timed(logevent.Protocol, g.logEvents(door, budget)))
	g.publicProtocols(routes, door, budget)
	routes.Handle(telemetrygateway.Path, g.metrics.timed(telemetrygateway.Protocol, g.telemetry(door, budget)))
	routes.Handle(settings.Path, g.forCallers(settings.Protocol, g.clientSettings()))
	rpcinfo.Handle(routes, []string{logevent.ServiceName, telemetrygateway.ServiceName, otlp.ServiceName}, g.ready)
	operations.Probes(routes, g.ready)
	return routes
}

func (g *Gateway) logEvents(door intake.Door, budget *intake.Budget) http.Handler {
	trust := g.config.Ingest.TrustHeaders
	service := &logevent.Service{
		Door: door, Budget: budget,
		Trust: caller.TrustHeaders{Email: trust.Email, ID: trust.ID, From: trust.From.prefixes()},
	}
	return service.Handler()
}

// refused is told of every request that is refused as a whole.
func (g *Gateway) refused(r intake.Refusal) {
	g.metrics.countRefused(r)
	logRefused(g.log, g.events, r)
}

// clientSettings serves what clients fetch. It changes with the configuration.
func (g *Gateway) clientSettings() http.Handler {
	var served settings.Handler
	served.Set(g.config.ClientSettings)
	g.onReload(func(c Config) (func(), error) {
		return func() { served.Set(c.ClientSettings) }, nil
	})
	return &served
}
