package outbound

import (
	"net/http"
	"time"
)

// Proxied reports whether a request would go through a proxy.
func (d discreet) Proxied(r *http.Request) bool {
	if d.Proxy == nil {
		return false
	}
	u, err := d.Proxy(r)
	return u != nil || err != nil
}

// RetryAfter is how the header is read at a given time.
func RetryAfter(text string, now time.Time) time.Duration { return retryAfter(text, now) }
