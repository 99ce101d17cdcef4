package operations

import "net/http"

// ledgerRoutes adds the route of the account.
func ledgerRoutes(routes *http.ServeMux, o Options) {
	if o.Ledger == nil {
		routes.Handle("/v1/ledger", notAvailable("the ledger is", o.Direct))
		return
	}
	routes.HandleFunc("GET /v1/ledger", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, o.Ledger.Report())
	})
}
