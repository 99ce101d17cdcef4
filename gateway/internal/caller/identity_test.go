package caller_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/caller"
)

func TestProxyHeadersNameTheCallerOnlyFromTheConfiguredNetworks(t *testing.T) {
	trust := caller.TrustHeaders{
		Email: "x-goog-authenticated-user-email",
		ID:    "x-goog-authenticated-user-id",
		From:  []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
	}
	named := caller.Identity{Email: "ann@example.com", ID: "principal-1"}
	header := http.Header{}
	header.Set("X-Goog-Authenticated-User-Email", "accounts.google.com:ann@example.com")
	header.Set("X-Goog-Authenticated-User-Id", " principal-1 ")

	long := http.Header{}
	long.Set("X-Goog-Authenticated-User-Email", strings.Repeat("a", 257))
	long.Set("X-Goog-Authenticated-User-Id", "accounts.google.com:"+strings.Repeat("a", 256))

	for _, c := range []struct {
		name   string
		trust  caller.TrustHeaders
		remote string
		header http.Header
		want   caller.Identity
	}{
		{"from the network", trust, "127.0.0.1:4711", header, named},
		{"from the network, mapped into IPv6", trust, "[::ffff:127.0.0.1]:4711", header, named},
		{"from the network, with a zone", trust, "[fd00::1%eth0]:4711", header, named},
		{"with a value that is too long", trust, "127.0.0.1:4711", long, caller.Identity{ID: strings.Repeat("a", 256)}},
		{"from elsewhere", trust, "10.0.0.1:4711", header, caller.Identity{}},
		{"from an address nobody can read", trust, "pipe", header, caller.Identity{}},
		{"without the headers", trust, "127.0.0.1:4711", http.Header{}, caller.Identity{}},
		{"when nobody is trusted", caller.TrustHeaders{Email: trust.Email, ID: trust.ID}, "127.0.0.1:4711", header, caller.Identity{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.trust.Identity(c.remote, c.header)
			if got != c.want {
				t.Errorf("Identity = %+v, want %+v", got, c.want)
			}
			if got.IsZero() != (c.want == caller.Identity{}) {
				t.Errorf("IsZero = %v", got.IsZero())
			}
		})
	}
}
