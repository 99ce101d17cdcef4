package intake

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"daybook.dev"
)

// ReasonOriginNotAllowed refuses what a web page sends that nobody let in.
const ReasonOriginNotAllowed = "origin_not_allowed"

// AnyOrigin lets pages of all sites send.
const AnyOrigin = "*"

const defaultMaxAge = 10 * time.Minute

// A CORS says which web pages may send events from the browsers of people who
// look at them (the Fetch Standard calls it CORS). The zero value lets no page
// in.
//
// Browsers send what a page asks them to, to any address that its reader's
// machine can reach, and for simple requests they ask nobody first: only the
// answer is kept from the page. A gateway on somebody's own machine would store
// whatever any page on the Web makes up. So a request that says it comes from a
// page is refused unless that page's origin is allowed, whatever it contains,
// before anything else is looked at. Programs send no Origin, and are not
// concerned.
//
// The name by which the gateway was called is never compared with the origin: a
// site can make its own name resolve to this machine (DNS rebinding), and then
// both are the site's.
type CORS struct {
	// Origins are those of pages that may send: "https://app.example.com", as
	// browsers write it; "null" for pages without one, such as files; "*" for all.
	Origins []string

	// Loopback lets pages in that this machine served: those of localhost and of
	// loopback addresses, on any port. It is right where only this machine can
	// reach the gateway.
	Loopback bool

	// MaxAge is how long browsers may remember a permission. Zero means 10 minutes.
	MaxAge time.Duration

	// Refused is told of every request that is refused. Nil means nobody is.
	Refused func(Refusal)
}

// protocolOfPages is the protocol of what was refused before it was known whose
// route it is.
const protocolOfPages = "browser"

// Guard lets through to next what no page sends, and what pages send that may,
// with the headers their browsers ask for. It answers preflight requests itself:
// they carry no credentials, and nothing can be stored by one.
func (c *CORS) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header["Vary"] = varyOrigin
		origins, sent := r.Header["Origin"]
		if !sent {
			next.ServeHTTP(w, r)
			return
		}
		if len(origins) != 1 || !c.allows(origins[0]) {
			c.refuse(w, r)
			return
		}
		c.permit(header, origins[0])
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			c.preflight(header, r)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		header.Set("Access-Control-Expose-Headers", exposed)
		next.ServeHTTP(w, r)
	})
}

var varyOrigin = []string{"Origin"}

// allows reports whether pages of that origin may send.
func (c *CORS) allows(origin string) bool {
	return slices.Contains(c.Origins, origin) || slices.Contains(c.Origins, AnyOrigin) || c.Loopback && ofThisMachine(origin)
}

// ofThisMachine reports whether an origin is a page that this machine served. A
// name below localhost counts as well: it resolves to nothing else (RFC 6761).
func ofThisMachine(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// permit says that the page may read the answer. Credentials that the browser
// holds go only with an origin that was named: "*" is for those who prove
// nothing, or prove it in the request itself.
func (c *CORS) permit(header http.Header, origin string) {
	if slices.Contains(c.Origins, AnyOrigin) && !slices.Contains(c.Origins, origin) {
		header.Set("Access-Control-Allow-Origin", AnyOrigin)
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true") // navigator.sendBeacon always asks for it
}

// preflight says what the page's request may have.
func (c *CORS) preflight(header http.Header, r *http.Request) {
	header.Add("Vary", "Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", "POST, GET")
	header.Set("Access-Control-Allow-Headers", strings.Join(permitted(r.Header.Get("Access-Control-Request-Headers")), ", "))
	age := c.MaxAge
	if age <= 0 {
		age = defaultMaxAge
	}
	header.Set("Access-Control-Max-Age", strconv.Itoa(int(age/time.Second)))
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
}

// sendable are the headers that pages may send. Those by which a proxy names the
// caller are none: a page must not say who is in front of it.
var sendable = []string{
	"authorization", "content-type", "content-encoding", "traceparent", "tracestate", "if-none-match", "daybook-client-report",
	"connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent", // of Connect and gRPC-Web
}

// exposed are the headers of answers that pages may read.
const exposed = DurabilityHeader + ", " + RequestIDHeader + ", Daybook-Outcome, ETag, Retry-After, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin"

// permitted returns the headers that may be sent: those always named, and of the
// asked ones the attributes of CloudEvents, which nobody can list.
func permitted(asked string) []string {
	names := sendable
	for name := range strings.SplitSeq(asked, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); attributeHeader(name) {
			names = append(slices.Clip(names), name)
		}
	}
	return names
}

// attributeHeader reports whether a header is an attribute of a CloudEvent: what
// its specification allows in their names, and nothing that could end a header.
func attributeHeader(name string) bool {
	attribute, ok := strings.CutPrefix(name, "ce-")
	return ok && attribute != "" && strings.Trim(attribute, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// refuse answers a page that may not send. It learns nothing, not even this.
func (c *CORS) refuse(w http.ResponseWriter, r *http.Request) {
	err := refusal(daybook.Denied, ReasonOriginNotAllowed,
		"pages of this origin may not send events; the gateway's operator allows origins in ingest.cors.origins")
	if c.Refused != nil {
		c.Refused(Refusal{Protocol: protocolOfPages, Request: RequestIDOf(r.Header), Err: err})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(Status(err))
	_, _ = w.Write(AppendResults(nil, daybook.NotDurable, nil, err))
}
