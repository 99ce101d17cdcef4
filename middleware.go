package daybook

import "net/http"

// Middleware returns a handler that gives every request a scope ([NewScope]): what
// next annotates with the request's context is seen by the events recorded
// with it, before and after next has returned. It records nothing by itself. On
// a nil client it works as well.
func (c *Client) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(NewScope(r.Context())))
	})
}
