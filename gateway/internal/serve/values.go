package serve

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"daybook.dev/gateway/internal/intake"
)

// Address is host:port of a listener. An empty host means every interface.
type Address string

func parseAddress(text string) (Address, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("%q is not an address such as 127.0.0.1:8080", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > math.MaxUint16 {
		return "", fmt.Errorf("%q: the port must be a number from 0 to 65535", text)
	}
	return Address(net.JoinHostPort(host, port)), nil
}

// Host returns the part before the port.
func (a Address) Host() string {
	host, _, _ := net.SplitHostPort(string(a))
	return host
}

func (a Address) port() string {
	_, port, _ := net.SplitHostPort(string(a))
	return port
}

// Loopback reports whether only this machine can reach the address. A name
// other than localhost counts as reachable: what it resolves to may change.
func (a Address) Loopback() bool { return loopbackHost(a.Host()) }

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// URL is how a client on this machine reaches the listener.
func (i Ingest) URL() string { return urlOf(i.Listen, i.TLS.on()) }

// URL is how a client on this machine reaches the listener.
func (o Operations) URL() string { return urlOf(o.Listen, o.TLS.on()) }

func urlOf(a Address, tls bool) string {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	host, port, _ := net.SplitHostPort(string(a))
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, port)
}

// Networks is a list of networks in one text, separated by commas.
type Networks string

func parseNetworks(text string) (Networks, error) {
	var texts []string
	for part := range strings.SplitSeq(text, ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return "", fmt.Errorf("%q is not a network such as 10.0.0.0/8", part)
		}
		texts = append(texts, network.Masked().String())
	}
	return Networks(strings.Join(texts, ",")), nil
}

// prefixes returns the networks; a Networks that was not parsed has those that
// are well formed.
func (n Networks) prefixes() []netip.Prefix {
	var list []netip.Prefix
	for part := range strings.SplitSeq(string(n), ",") {
		if network, err := netip.ParsePrefix(part); err == nil {
			list = append(list, network)
		}
	}
	return list
}

// Percent is a share, from 1% to 100%.
type Percent int

func parsePercent(text string) (Percent, error) {
	number, ok := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > 100 {
		return 0, fmt.Errorf("%q is not a share such as 80%%", text)
	}
	return Percent(n), nil
}

// String writes the share as parsePercent reads it.
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// Share is a part of a whole, above 0 and at most 1. Zero means that nobody has
// said.
type Share float64

func parseShare(text string) (Share, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= 1) {
		return 0, fmt.Errorf("%q is not a share above 0 and up to 1, such as 0.1", text)
	}
	return Share(n), nil
}

// String writes the share as parseShare reads it.
func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }

// Identities is what two copies of an event have in common, in one text,
// separated by commas.
type Identities string

const idempotencyKey = "idempotency_key"

func parseIdentities(text string) (Identities, error) {
	var names []string
	for part := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(part)
		if name != "event_id" && name != idempotencyKey {
			return "", fmt.Errorf("%q is not one of: event_id, %s", name, idempotencyKey)
		}
		names = append(names, name)
	}
	if !slices.Contains(names, "event_id") {
		return "", errors.New("event_id must be in it: without it a repeated request would be stored twice")
	}
	return Identities(strings.Join(names, ",")), nil
}

// idempotencyKey reports whether a key of the caller's identifies events too.
func (i Identities) idempotencyKey() bool { return strings.Contains(string(i), idempotencyKey) }

// List is texts in one, separated by commas.
type List string

func parseList(text string) (List, error) {
	if text == "" {
		return "", nil
	}
	var items []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			return "", fmt.Errorf("%q has an empty item", text)
		}
		items = append(items, part)
	}
	return List(strings.Join(items, ",")), nil
}

// items returns the texts; none of an empty list.
func (l List) items() []string {
	if l == "" {
		return nil
	}
	return strings.Split(string(l), ",")
}

// set returns the texts as a set; nil for none.
func (l List) set() map[string]bool {
	items := l.items()
	if items == nil {
		return nil
	}
	set := make(map[string]bool, len(items))
	for _, item := range items {
		set[item] = true
	}
	return set
}

// PageOrigins are origins of web pages in one text, separated by commas.
type PageOrigins string

// parsePageOrigins takes origins as browsers write them: what is written
// otherwise would never be found equal.
func parsePageOrigins(text string) (PageOrigins, error) {
	list, err := parseList(text)
	if err != nil {
		return "", err
	}
	for _, origin := range list.items() {
		if origin == intake.AnyOrigin || origin == "null" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(u.Host, "*") {
			return "", fmt.Errorf("%q is not an origin such as https://app.example.com", origin)
		}
		if written := browserOrigin(u); written != origin {
			return "", fmt.Errorf("%q is not how browsers write an origin: write %s", origin, written)
		}
	}
	return PageOrigins(list), nil
}

// browserOrigin writes the origin of an address as browsers do: in small
// letters, without the scheme's own port, and with nothing behind it.
func browserOrigin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; strings.HasSuffix(host, port) {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}

// Start is where a destination begins that nothing was delivered to yet: the
// oldest event kept, what arrives from now on, or what was received since a time.
type Start string

const (
	fromStart Start = "start"
	fromNow   Start = "now"
)

func parseStart(text string) (Start, error) {
	if Start(text) == fromStart || Start(text) == fromNow {
		return Start(text), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return "", fmt.Errorf("%q is not start, now or a time such as 2026-01-31T12:00:00Z", text)
	}
	return Start(t.UTC().Format(time.RFC3339Nano)), nil
}

// time is the time that s names, and false where it names none.
func (s Start) time() (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, string(s))
	return t, err == nil
}

// Secret is text that is masked wherever it is printed.
type Secret string

const mask = "********"

// String returns the mask, or "" for no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText keeps encoders from writing the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secrets are texts that are masked, in one, separated by commas.
type Secrets string

// String returns a mask for each, or "" for none.
func (s Secrets) String() string {
	masks := make([]string, len(List(s).items()))
	for i := range masks {
		masks[i] = mask
	}
	return strings.Join(masks, ",")
}

// GoString keeps %#v from showing the secrets.
func (s Secrets) GoString() string { return strconv.Quote(s.String()) }

// MarshalText keeps encoders from writing the secrets.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URL is an address with a scheme. A password in it is masked.
type URL string

func parseURL(text string) (URL, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errors.New("must be an address such as https://example.com/in") // not repeated: it may hold a password
	}
	return URL(text), nil
}

// String returns the address with its password masked.
func (u URL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.User == nil {
		return string(u)
	}
	if _, has := parsed.User.Password(); !has {
		return string(u)
	}
	parsed.User = url.UserPassword(parsed.User.Username(), mask)
	return parsed.String()
}

// GoString keeps %#v from showing the password.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// MarshalText keeps encoders from writing the password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Size is a number of bytes.
type Size int64

// sizeUnits from large to small, so that printing finds the largest that fits.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

func parseSize(text string) (Size, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a size such as 16MiB", text)
	}
	return Size(n * unit), nil
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if n := int64(s); n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

const day = 24 * time.Hour

// ParseDuration reads Go's durations with days in front: 7d, 1d12h, 90s.
func ParseDuration(text string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is not a duration such as 10s, 24h or 7d", text)
	head, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		head, rest = "0", text
	}
	days, err := strconv.ParseUint(head, 10, 16)
	if err != nil {
		return 0, wrong
	}
	total := time.Duration(days) * day
	if rest == "" && hasDays {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total > math.MaxInt64-d {
		return 0, wrong
	}
	return total + d, nil
}

// durationText writes d as ParseDuration reads it: whole days as 7d, and
// without the zero parts that time.Duration prints.
func durationText(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var errBool = errors.New("must be true or false")

func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errBool
}
