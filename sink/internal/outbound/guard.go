package outbound

import (
	"net"
	"net/netip"
	"syscall"
	"time"
)

// What an address is refused for, as it is said behind the address.
const (
	private = " is reached from this machine or its network only; allow_private permits that"
	nowhere = " is no address of a destination"
)

// inside are the addresses that mean something within a network only. They are
// refused unless the operator allows them.
var inside = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", // private (RFC 1918, RFC 4193)
	"127.0.0.0/8", "::1/128", // this machine
	"100.64.0.0/10",                 // behind a carrier's translation (RFC 6598)
	"192.0.0.0/24", "198.18.0.0/15", // protocol assignments, benchmarks
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", // documentation
	"3fff::/20",
	"fec0::/10",      // site-local, before RFC 4193
	"64:ff9b:1::/48", // translation within a network (RFC 8215)
)

// never are the addresses where no destination is: nobody in particular, many
// at once, and the link, where clouds keep their machines' credentials.
var never = prefixes(
	"0.0.0.0/8", "::/128", // 0.0.0.0 is this machine on Linux
	"224.0.0.0/4", "240.0.0.0/4", "ff00::/8", // multicast, reserved, broadcast
	"169.254.0.0/16", "fe80::/10", // link-local; 169.254.169.254 has the credentials of most clouds
	"fd00:ec2::254/128",  // the same of Amazon, in IPv6
	"100.100.100.200/32", // of Alibaba
	"168.63.129.16/32",   // of Azure
	"192.0.0.192/32",     // of Oracle
	"192.88.99.0/24",     // relays of 6to4, withdrawn (RFC 7526)
)

// carriers are IPv6 addresses with an IPv4 address inside, which is where the
// connection goes in the end; at is where it begins.
var carriers = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64 (RFC 6052)
	{netip.MustParsePrefix("::/96"), 12},        // IPv4-compatible (RFC 4291)
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4 (RFC 3056)
}

// unicast is what there is of global IPv6 addresses; teredo and the other
// protocols at its beginning carry IPv4 addresses in ways of their own.
var (
	unicast   = netip.MustParsePrefix("2000::/3")
	protocols = netip.MustParsePrefix("2001::/23")
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// forbidden says why no connection may be made to ip, as the end of a sentence
// that begins with it, or "".
func forbidden(ip netip.Addr, allowPrivate bool) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case within(never, ip):
		return nowhere
	case within(inside, ip):
		if allowPrivate {
			return ""
		}
		return private
	case ip.Is4():
		return ""
	}
	for _, c := range carriers {
		if c.prefix.Contains(ip) {
			bytes := ip.As16()
			return forbidden(netip.AddrFrom4([4]byte(bytes[c.at:])), allowPrivate)
		}
	}
	if !unicast.Contains(ip) || protocols.Contains(ip) {
		return nowhere
	}
	return ""
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// A forbiddenError is why no connection was made.
type forbiddenError struct{ text string }

func (e *forbiddenError) Error() string { return e.text }

// dialer returns one that looks at every address at the last moment: after
// names are resolved, so that no answer of a name server gets around it.
func dialer(allowPrivate bool) *net.Dialer {
	return &net.Dialer{
		Timeout:   30 * time.Second, // attempts have less
		KeepAlive: 30 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return &forbiddenError{"the address of the connection cannot be read"}
			}
			if why := forbidden(at.Addr(), allowPrivate); why != "" {
				return &forbiddenError{at.Addr().String() + why}
			}
			return nil
		},
	}
}
