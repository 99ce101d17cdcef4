package caller

import (
	"net/http"
	"net/netip"
	"strings"
)

// An Identity is what a proxy in front of the gateway says about the person or
// service behind a request. It names the caller in the audit envelope and
// proves nothing.
type Identity struct {
	Email string
	ID    string
}

// IsZero reports whether nobody was named.
func (i Identity) IsZero() bool { return i == Identity{} }

// TrustHeaders says which headers name the caller, and whose. The zero value
// trusts nobody.
type TrustHeaders struct {
	Email string         // header with the e-mail address; "" = none
	ID    string         // header with the stable id; "" = none
	From  []netip.Prefix // networks the proxy sends from; others are not believed
}

// proxyPrefix is what Google's proxies put before both values.
const proxyPrefix = "accounts.google.com:"

// Identity returns what the headers say about the caller when the request came
// from one of the networks, else the zero Identity. remoteAddr is the peer's
// address as net/http gives it, "host:port".
func (t TrustHeaders) Identity(remoteAddr string, header http.Header) Identity {
	if !t.trusts(remoteAddr) {
		return Identity{}
	}
	return Identity{Email: value(header, t.Email), ID: value(header, t.ID)}
}

func (t TrustHeaders) trusts(remoteAddr string) bool {
	if len(t.From) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	for _, network := range t.From {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

func value(header http.Header, name string) string {
	if name == "" {
		return ""
	}
	const longest = 256 // bytes; what is longer is no name, and would be stored with every event
	text := strings.TrimPrefix(strings.TrimSpace(header.Get(name)), proxyPrefix)
	if len(text) > longest {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimSpace(text), "\uFFFD") // it is stored as JSON
}
