package serve

import (
	"errors"
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
)

// openCallers makes the registry that every intake asks. It changes with the
// configuration and with the file of callers.
func (g *Gateway) openCallers() error {
	known, problems := g.config.callers(nil)
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	verifiers := (*verifiers)(nil).next(g.config, g.metrics)
	verifiers.attach(&known)
	g.verifiers.Store(verifiers)
	g.audit = newAudit(g.log, g.metrics)
	callers, err := caller.New(known, caller.Options{Refused: g.audit.refused})
	if err != nil {
		return err
	}
	g.callers = callers
	g.onReload(func(c Config) (func(), error) {
		known, problems := c.withDefaults().callers(nil)
		if len(problems) > 0 {
			return nil, errors.Join(problems...)
		}
		c.Ingest.Listen = g.config.Ingest.Listen // the port stays where it is, whatever the file says now
		if err := ingestReach(c, nil); err != nil {
			return nil, err
		}
		verifiers := g.verifiers.Load().next(c.withDefaults(), g.metrics)
		verifiers.attach(&known)
		apply, err := callers.Prepare(known)
		if err != nil {
			return nil, err
		}
		return func() {
			apply()
			g.verifiers.Swap(verifiers).close(verifiers)
		}, nil
	})
	return nil
}

// forCallers lets through the requests of those who may send something: what
// clients fetch is for them.
func (g *Gateway) forCallers(protocol string, next http.Handler) http.Handler {
	door := intake.Door{Durability: g.store.Durability(), Refused: g.refused}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := g.callers.Identify(protocol, r); err != nil {
			door.TurnedAway(protocol, r.Header, err)
			door.Answer(w, intake.Status(err), nil, err, refusalBody)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusalBody is the body of an answer that has no results.
func refusalBody(dst []byte, _ daybook.Durability, _ []daybook.Outcome, err *daybook.Error) []byte {
	dst = append(dst, `{"status":"refused"`...)
	return append(intake.AppendError(dst, err), '}', '\n')
}
