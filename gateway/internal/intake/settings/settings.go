// Package settings serves what clients may change while they run: sampling,
// kill switches, batches. docs/settings.md is what both sides agree on.
package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// Path is where the settings are.
const Path = "/v1/settings"

// Handler answers with the settings, or that the caller has them. The settings
// are one JSON object; nil answers 404, and clients go on with their defaults.
func Handler(settings []byte) http.Handler {
	sum := sha256.Sum256(settings)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		case settings == nil:
			http.Error(w, "this gateway has no settings for clients (settings: in its configuration)", http.StatusNotFound)
			return
		}
		header.Set("ETag", tag)
		header.Set("Cache-Control", "no-cache")
		if matches(r.Header.Values("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		header.Set("Content-Type", "application/json")
		_, _ = w.Write(settings)
	})
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
