package serve

import (
	"net/http"
	"strings"
	"sync/atomic"

	"daybook.dev/gateway/internal/intake"
)

// guarded turns away what web pages send that may not. Operations on the same
// port have a guard of their own, which lets in the pages they serve.
func (g *Gateway) guarded(routes http.Handler) http.Handler {
	var events atomic.Pointer[http.Handler]
	set := func(c Config) {
		guard := g.pages(c.Ingest.CORS).Guard(routes)
		events.Store(&guard)
	}
	set(g.config)
	g.onReload(func(c Config) (func(), error) { return func() { set(c) }, nil })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/-/") {
			routes.ServeHTTP(w, r)
			return
		}
		(*events.Load()).ServeHTTP(w, r)
	})
}

// pages says which web pages may send to the listener, which stays as it was
// opened.
func (g *Gateway) pages(c CORS) *intake.CORS {
	return &intake.CORS{
		Origins: List(c.Origins).items(), Loopback: g.config.Ingest.Listen.Loopback(), MaxAge: c.MaxAge, Refused: g.refused,
	}
}
