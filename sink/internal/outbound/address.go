package outbound

import (
	"net/netip"
	"net/url"
	"strings"

	"daybook.dev"
)

// Check returns an error, without any network I/O, for an address that cannot be
// right or that nobody may connect to.
func Check(where, address string, allowPrivate bool) error {
	_, err := parse(Options{Where: where, URL: address, AllowPrivate: allowPrivate})
	return err
}

// parse returns the address, or an error that says what to write instead and
// does not repeat it: it may hold a password.
func parse(o Options) (*url.URL, error) {
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "":
		return nil, refuse(o.Where, "no address is given; write for example https://example.com/events")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, refuse(o.Where, "the address must be http:// or https:// with a host")
	case u.Fragment != "":
		return nil, refuse(o.Where, "the address has a fragment (#…), which is never sent")
	case strings.HasSuffix(u.Host, ":"):
		return nil, refuse(o.Where, "the address has a colon without a port")
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return u, checkName(o, host)
	}
	if why := forbidden(ip, o.AllowPrivate); why != "" {
		return nil, refuse(o.Where, ip.String()+why)
	}
	return u, nil
}

// checkName refuses names that are known without asking anybody. All others
// are judged by what they resolve to, when a connection is made.
func checkName(o Options, host string) error {
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(strings.ToLower(last), "0x"):
		// 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 for some resolvers
		// and names for others. No name ends in a number (RFC 3696, section 2).
		return refuse(o.Where, "an IPv4 address must be written as four decimal numbers, such as 192.0.2.1")
	case strings.EqualFold(last, "localhost") && !o.AllowPrivate:
		return refuse(o.Where, "localhost"+private)
	}
	return nil
}

func refuse(where, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: "url", Reason: "invalid_url", Message: message}
}
