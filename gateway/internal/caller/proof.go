package caller

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
)

// Limits of what is looked at. A token can carry claims and signatures; what is
// longer than that is no credential, and costs nothing but its length.
const (
	maxAuthorization = 16 << 10
	maxBasic         = 1 << 10 // base64 included
)

// A proof is what the Authorization header shows.
type proof struct {
	kind           kindOfProof
	token          string // bearer
	user, password string // basic
}

type kindOfProof uint8

const (
	noProof kindOfProof = iota
	bearerProof
	basicProof
)

// proofOf reads the header. The error's text is for the caller, and holds nothing
// of what the header has.
func proofOf(h http.Header) (proof, string) {
	values := h["Authorization"]
	if len(values) == 0 {
		return proof{}, ""
	}
	if len(values) > 1 {
		return proof{}, "there are several Authorization headers: send one"
	}
	if len(values[0]) > maxAuthorization {
		return proof{}, "the Authorization header is too long for any key or token"
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	rest = strings.Trim(rest, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer") && visible(rest):
		return proof{kind: bearerProof, token: rest}, ""
	case strings.EqualFold(scheme, "Bearer"):
		return proof{}, "the Authorization header holds no key: send Authorization: Bearer KEY"
	case strings.EqualFold(scheme, "Basic"):
		return basicOf(rest)
	}
	return proof{}, "the Authorization header is neither Bearer nor Basic"
}

// basicOf reads user and password.
func basicOf(text string) (proof, string) {
	const wrong = "the Authorization header holds no user and password: send Basic and the base64 of USER:PASSWORD"
	if len(text) > maxBasic {
		return proof{}, wrong
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return proof{}, wrong
	}
	user, password, found := strings.Cut(string(decoded), ":")
	if !found || user == "" {
		return proof{}, wrong
	}
	return proof{kind: basicProof, user: user, password: password}, ""
}

// visible reports whether text is one word of visible ASCII, as keys and tokens
// are.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != ""
}

// hashOf is the hash under which a secret is kept.
func hashOf(secret string) Hash {
	var space [128]byte // a key of the usual length is hashed without allocating
	if len(secret) <= len(space) {
		return sha256.Sum256(space[:copy(space[:], secret)])
	}
	return sha256.Sum256([]byte(secret))
}

// certificateOf returns the verified client certificate of a connection, nil for
// none. Who verified it, and against which authorities, is the listener's to say.
func certificateOf(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return nil
	}
	return state.VerifiedChains[0][0]
}

// fits reports whether a verified certificate is the row's.
func (c *Certificate) fits(cert *x509.Certificate) bool {
	if c.CommonName != "" && cert.Subject.CommonName != c.CommonName {
		return false
	}
	if c.DNS != "" && !hasDNS(cert, c.DNS) {
		return false
	}
	if c.URI != "" && !hasURI(cert, c.URI) {
		return false
	}
	return len(c.Keys) == 0 || hasHash(c.Keys, sha256.Sum256(cert.RawSubjectPublicKeyInfo))
}

func (c *Certificate) isZero() bool {
	return c.CommonName == "" && c.DNS == "" && c.URI == "" && len(c.Keys) == 0
}

// hasDNS compares names as they are written: a certificate for *.example.com
// belongs to many, and is nobody's proof.
func hasDNS(cert *x509.Certificate, name string) bool {
	for _, n := range cert.DNSNames {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func hasURI(cert *x509.Certificate, uri string) bool {
	for _, u := range cert.URIs {
		if u.String() == uri {
			return true
		}
	}
	return false
}
