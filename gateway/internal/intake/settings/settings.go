// Package settings serves what clients may change while they run: sampling,
// kill switches, batches. docs/settings.md is what both sides agree on.
package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync/atomic"
)

// Path is where the settings are.
const Path = "/v1/settings"

// Protocol is what refusals of it are counted and logged as.
const Protocol = "settings"

// A Handler answers with the settings, or that the caller has them. The zero
// value has none. It is safe for concurrent use.
type Handler struct{ served atomic.Pointer[served] }

// A served is settings with the tag that names this version of them.
type served struct {
	settings []byte
	tag      string
}

// Set replaces the settings: one JSON object, which the Handler keeps. Nil means
// that there are none; then it answers 404, and clients go on with their defaults.
func (h *Handler) Set(settings []byte) {
	if settings == nil {
		h.served.Store(nil)
		return
	}
	sum := sha256.Sum256(settings)
	h.served.Store(&served{settings: settings, tag: `"` + hex.EncodeToString(sum[:16]) + `"`})
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header, now := w.Header(), h.served.Load()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case now == nil:
		http.Error(w, "this gateway has no settings for clients (settings: in its configuration)", http.StatusNotFound)
		return
	}
	header.Set("ETag", now.tag)
	header.Set("Cache-Control", "no-cache")
	if matches(r.Header.Values("If-None-Match"), now.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json")
	_, _ = w.Write(now.settings)
}

// matches reports whether one of the tags that a caller has is tag: the weak
// comparison of RFC 9110, section 13.1.2.
func matches(fields []string, tag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == tag || candidate == "*" {
				return true
			}
		}
	}
	return false
}
