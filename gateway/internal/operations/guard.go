package operations

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A Guard decides who may read, and who may change something. There are two
// roles: administrators, who may do both, and readers. Without a token anybody on
// this machine may read; nobody changes anything without one. Nothing but these
// tokens proves anything here: no caller's key, no certificate, no proxy's header.
type Guard struct {
	// Token is what administrators show as "Authorization: Bearer TOKEN". Where
	// Read is empty too, empty means that nothing is asked of those who read,
	// which is right only where other machines cannot reach the listener.
	Token string

	// Read is what readers show. Empty means that there are none beside the
	// administrators.
	Read string

	// Changes is what a request that changes something must show where Token is
	// empty: see [TokenFile]. Where both are empty nothing can be changed.
	Changes string

	// Host is the name or address under which the listener may be reached
	// besides those of this machine's loopback. Empty means any, which is for
	// a listener on every interface: there the token keeps strangers out.
	Host string

	// Refused is told of every request that is turned away for what it has shown,
	// with a word for why. Nil means nobody is.
	Refused func(r *http.Request, reason string)
}

// Why a request is turned away; docs/reasons.md explains them.
const (
	ReasonMissing  = "missing_credentials"
	ReasonUnknown  = "unknown_credentials"
	ReasonReadOnly = "read_only_token"
)

// protect lets through the requests that may read.
func (g Guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !g.knows(hostOf(r.Host)):
			// A page from elsewhere whose name now resolves to this machine
			// (DNS rebinding) still sends its own name as the host.
			refuse(w, http.StatusForbidden, "denied", "this listener is not known under that host name")
		case !ownOrigin(r):
			refuse(w, http.StatusForbidden, "denied", "pages of another origin may not read this")
		case g.closed() && !g.mayRead(r):
			g.challenge(w, r, "send the operations token as Authorization: Bearer TOKEN")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// protectChange lets through, of the requests that may read, those that may
// change something: a program on this machine must not do that by accident, nor
// for somebody else.
func (g Guard) protectChange(next http.Handler) http.Handler {
	token := cmp.Or(g.Token, g.Changes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case token == "":
			refuse(w, http.StatusForbidden, "denied", "this gateway has no operations token, and changes need one: set operations.token")
		case !proved(r, token) && g.Read != "" && proved(r, g.Read):
			g.told(r, ReasonReadOnly)
			refuse(w, http.StatusForbidden, "denied", "this token may read, and changes nothing: they need operations.token")
		case !proved(r, token):
			g.challenge(w, r, "changes need the operations token, also on this machine: send it as Authorization: Bearer TOKEN")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// closed reports whether those who read must show something.
func (g Guard) closed() bool { return g.Token != "" || g.Read != "" }

// mayRead reports whether the request shows a token of one of the roles.
func (g Guard) mayRead(r *http.Request) bool {
	for _, token := range [...]string{g.Read, cmp.Or(g.Token, g.Changes)} {
		if token != "" && proved(r, token) {
			return true
		}
	}
	return false
}

func (g Guard) told(r *http.Request, reason string) {
	if g.Refused != nil {
		g.Refused(r, reason)
	}
}

// challenge says what to show.
func (g Guard) challenge(w http.ResponseWriter, r *http.Request, message string) {
	if r.Header.Get("Authorization") == "" {
		g.told(r, ReasonMissing)
	} else {
		g.told(r, ReasonUnknown)
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="daybook operations"`)
	refuse(w, http.StatusUnauthorized, "unauthenticated", message)
}

func (g Guard) knows(host string) bool {
	if g.closed() && g.Host == "" {
		return true
	}
	if g.Host != "" && strings.EqualFold(host, g.Host) || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// ownOrigin reports whether the request is none of a page, or of a page that
// this listener served.
func ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// proved compares hashes, so that the time it takes says nothing about the
// token, not even its length.
func proved(r *http.Request, wanted string) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	want, got := sha256.Sum256([]byte(wanted)), sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// hostOf returns the host without port and brackets.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
