package caller_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

// The secrets of the callers in these tests.
const (
	checkoutKey = "dbk_checkout-key-0123456789abcdefghijklmnop"
	oldKey      = "dbk_checkout-old-0123456789abcdefghijklmnop"
	searchKey   = "dbk_search-key-00123456789abcdefghijklmnopq"
	cliPassword = "generated-0123456789abcdef"
	annPassword = "correct horse: battery"
)

func hash(secret string) caller.Hash { return sha256.Sum256([]byte(secret)) }

func slow(t testing.TB, password string) string {
	t.Helper()
	text, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// callers are a row of each kind.
func callers(t testing.TB) caller.Config {
	return caller.Config{Rows: []caller.Row{
		{Name: "checkout", Keys: []caller.Hash{hash(checkoutKey), hash(oldKey)}, Public: true},
		{Name: "search", Keys: []caller.Hash{hash(searchKey)}, Protocols: []string{"segment"}},
		{Name: "cli", Basic: &caller.Basic{User: "cli", SHA256: hash(cliPassword)}},
		{Name: "ann", Basic: &caller.Basic{User: "ann@example.com", Slow: slow(t, annPassword)}},
		{Name: "mesh", Certificate: &caller.Certificate{URI: "spiffe://example.com/mesh"}},
		{Name: "issued", Tokens: tokens{"a.good.token": "ok", "an.old.token": "", "a.broken.token": "?"}},
	}}
}

// tokens is a verifier that knows some: "ok" ones are good.
type tokens map[string]string

func (k tokens) Verify(_ context.Context, token string) (caller.Claims, bool, error) {
	switch k[token] {
	case "ok":
		return caller.Claims{Subject: "s"}, true, nil
	case "?":
		return caller.Claims{}, false, errors.New("nobody answers")
	}
	return caller.Claims{}, false, nil
}

func registry(t testing.TB, c caller.Config) *caller.Registry {
	t.Helper()
	r, err := caller.New(c, caller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/events", nil)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	return r
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Any one of a row's proofs will do, whatever its user is called, and somebody
// else's.
func TestACallersNameWithItsKeyProvesItBesideAUserOfThatName(t *testing.T) {
	r := registry(t, caller.Config{Rows: []caller.Row{
		{Name: "cli", Keys: []caller.Hash{hash(checkoutKey)}, Basic: &caller.Basic{User: "cli", SHA256: hash(cliPassword)}},
		{Name: "search", Keys: []caller.Hash{hash(searchKey)}},
		{Name: "ann", Basic: &caller.Basic{User: "search", Slow: slow(t, annPassword)}},
	}})
	for shown, want := range map[string]string{
		basic("cli", cliPassword): "cli", basic("cli", checkoutKey): "cli", basic("search", searchKey): "search", basic("search", annPassword): "ann",
	} {
		if who, err := r.Authenticate("http", request(shown)); err != nil || who.Name != want {
			t.Errorf("it is %q, %v, want %s", who.Name, err, want)
		}
	}
	if who, err := r.Authenticate("http", request(basic("cli", searchKey))); err == nil {
		t.Errorf("another's key proves %s", who.Name)
	}
}

// TestR27 sends every kind of credential to the one place that looks at them.
func TestR27CredentialsProveWhoseTheyAreAndNothingElse(t *testing.T) {
	const no = daybook.Unauthenticated
	r := registry(t, callers(t))
	for name, c := range map[string]struct {
		shown  []string
		caller string
		code   daybook.Code
		reason string
	}{
		"a key":                            {[]string{"Bearer " + checkoutKey}, "checkout", daybook.OK, ""},
		"the key before it":                {[]string{"Bearer " + oldKey}, "checkout", daybook.OK, ""},
		"a key, in small letters":          {[]string{"bearer " + checkoutKey}, "checkout", daybook.OK, ""},
		"a key, after two blanks":          {[]string{"Bearer  " + checkoutKey + " "}, "checkout", daybook.OK, ""},
		"a key as the user":                {[]string{basic(checkoutKey, "")}, "checkout", daybook.OK, ""},
		"a key as its caller's password":   {[]string{basic("checkout", checkoutKey)}, "checkout", daybook.OK, ""},
		"a key as another's password":      {[]string{basic("search", checkoutKey)}, "", no, caller.ReasonUnknown},
		"a user with a generated password": {[]string{basic("cli", cliPassword)}, "cli", daybook.OK, ""},
		"a user with a chosen password":    {[]string{basic("ann@example.com", annPassword)}, "ann", daybook.OK, ""},
		"a token":                          {[]string{"Bearer a.good.token"}, "issued", daybook.OK, ""},

		"nothing":                 {nil, "", no, caller.ReasonMissing},
		"an empty header":         {[]string{""}, "", no, caller.ReasonMalformed},
		"a scheme alone":          {[]string{"Bearer"}, "", no, caller.ReasonMalformed},
		"a blank key":             {[]string{"Bearer  "}, "", no, caller.ReasonMalformed},
		"two words":               {[]string{"Bearer " + checkoutKey + " more"}, "", no, caller.ReasonMalformed},
		"the bare key":            {[]string{checkoutKey}, "", no, caller.ReasonMalformed},
		"another scheme":          {[]string{"Digest " + checkoutKey}, "", no, caller.ReasonMalformed},
		"two headers":             {[]string{"Bearer " + checkoutKey, "Bearer " + checkoutKey}, "", no, caller.ReasonMalformed},
		"a wrong key":             {[]string{"Bearer " + checkoutKey + "x"}, "", no, caller.ReasonUnknown},
		"half a key":              {[]string{"Bearer " + checkoutKey[:20]}, "", no, caller.ReasonUnknown},
		"the hash of a key":       {[]string{"Bearer " + hash(checkoutKey).String()}, "", no, caller.ReasonUnknown},
		"a caller's name":         {[]string{"Bearer checkout"}, "", no, caller.ReasonUnknown},
		"a wrong key as the user": {[]string{basic("dbk_x", "")}, "", no, caller.ReasonUnknown},
		"a user without password": {[]string{basic("cli", "")}, "", no, caller.ReasonUnknown},
		"a wrong password":        {[]string{basic("cli", "x")}, "", no, caller.ReasonUnknown},
		"a wrong chosen password": {[]string{basic("ann@example.com", "x")}, "", no, caller.ReasonUnknown},
		"an unknown user":         {[]string{basic("bob", annPassword)}, "", no, caller.ReasonUnknown},
		"another's password":      {[]string{basic("cli", annPassword)}, "", no, caller.ReasonUnknown},
		"no user":                 {[]string{basic("", cliPassword)}, "", no, caller.ReasonMalformed},
		"Basic that is no base64": {[]string{"Basic cli:" + cliPassword}, "", no, caller.ReasonMalformed},
		"Basic without a colon":   {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte("cli"))}, "", no, caller.ReasonMalformed},
		"an expired token":        {[]string{"Bearer an.old.token"}, "", no, caller.ReasonUnknown},
		"alg=none":                {[]string{"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzIn0."}, "", no, caller.ReasonUnknown},
		"a token nobody can look": {[]string{"Bearer a.broken.token"}, "", daybook.Internal, "check_failed"},

		"a key of another protocol": {[]string{"Bearer " + searchKey}, "", daybook.Denied, caller.ReasonProtocolNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := r.Authenticate("http", request(c.shown...))
			if c.code == daybook.OK {
				if err != nil || who.Name != c.caller {
					t.Fatalf("got %q, %v; want %q", who.Name, err, c.caller)
				}
				return
			}
			if err == nil || err.Code != c.code || err.Reason != c.reason || err.Message == "" || who != (caller.Caller{}) {
				t.Errorf("got %+v, %+v; want %v, %s", who, err, c.code, c.reason)
			}
		})
	}
}

func TestR27WhatAProxyWouldSayProvesNothing(t *testing.T) {
	r := registry(t, callers(t))
	spoofed := request()
	for _, header := range []string{
		"X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id", "X-Forwarded-User", "X-Remote-User", "X-Forwarded-For", "Forwarded",
		"X-Real-Ip", "X-Api-Key", "Proxy-Authorization", "X-Forwarded-Client-Cert", "X-Ssl-Client-Verify", "Cookie", "Daybook-Caller",
	} {
		spoofed.Header.Set(header, "checkout")
	}
	spoofed.Header.Set("X-Forwarded-Client-Cert", "URI=spiffe://example.com/mesh")
	spoofed.RemoteAddr = "127.0.0.1:4711"
	if who, err := r.Authenticate("http", spoofed); err == nil || err.Reason != caller.ReasonMissing {
		t.Errorf("let in as %q, %v", who.Name, err)
	}
}

func TestWithoutCallersEverybodyIsAnonymousWhateverTheyShow(t *testing.T) {
	for name, r := range map[string]*caller.Registry{"nil": nil, "an empty one": registry(t, caller.Config{})} {
		for _, shown := range []string{"Bearer nobodys", "nonsense", ""} {
			if who, err := r.Authenticate("http", request(shown)); err != nil || who.Name != "anonymous" {
				t.Errorf("%s, %q: %q, %v", name, shown, who.Name, err)
			}
		}
	}
}

func TestWhereCallersAreKeptElsewhereNoneMeansNobody(t *testing.T) {
	r := registry(t, caller.Config{Enforce: true})
	if who, err := r.Authenticate("http", request()); err == nil || err.Code != daybook.Unauthenticated {
		t.Errorf("the last key is gone, and %q is let in", who.Name)
	}
}

func TestAllowAnonymousLetsInWhoShowsNothingAndNobodyElse(t *testing.T) {
	c := callers(t)
	c.AllowAnonymous = true
	r := registry(t, c)
	if who, err := r.Authenticate("http", request()); err != nil || who != caller.Anonymous {
		t.Errorf("without credentials: %+v, %v", who, err)
	}
	if who, err := r.Authenticate("http", request("Bearer "+checkoutKey)); err != nil || who.Name != "checkout" {
		t.Errorf("with a key: %+v, %v", who, err)
	}
	for _, shown := range []string{"Bearer nobodys", "", "Bearer", basic("cli", "x")} {
		if who, err := r.Authenticate("http", request(shown)); err == nil || err.Code != daybook.Unauthenticated {
			t.Errorf("%q is wrong, and let in as %q", shown, who.Name)
		}
	}
}

func TestARowSaysWhatAnonymousMayDo(t *testing.T) {
	c := caller.Config{Rows: []caller.Row{{Name: "anonymous", Protocols: []string{"segment"}, Events: []string{"page-*"}}}}
	r := registry(t, c)
	if _, err := r.Authenticate("http", request()); err == nil || err.Code != daybook.Denied {
		t.Errorf("another protocol: %v", err)
	}
	who, err := r.Authenticate("segment", request("Bearer whatever"))
	if err != nil || who.Name != "anonymous" {
		t.Fatalf("%+v, %v", who, err)
	}
	if who.MaySend("page-view") != nil || who.MaySend("signup") == nil {
		t.Error("the patterns of the row do not count")
	}
}

func TestWhoMayNotSendMayBeKnown(t *testing.T) {
	r := registry(t, callers(t))
	if who, err := r.Identify("settings", request("Bearer "+searchKey)); err != nil || who.Name != "search" {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := r.Identify("settings", request()); err == nil {
		t.Error("nobody is let in")
	}
}

// certified is a request over a connection with a verified client certificate.
func certified(t *testing.T, template x509.Certificate, authorization ...string) *http.Request {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	r := request(authorization...)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	return r
}

func mesh(t *testing.T) x509.Certificate {
	t.Helper()
	id, err := url.Parse("spiffe://example.com/mesh")
	if err != nil {
		t.Fatal(err)
	}
	return x509.Certificate{Subject: pkix.Name{CommonName: "mesh"}, DNSNames: []string{"mesh.example.com"}, URIs: []*url.URL{id}}
}

func TestR27CertificatesProveTheirCaller(t *testing.T) {
	r := registry(t, callers(t))
	unverified := certified(t, mesh(t))
	unverified.TLS.VerifiedChains = nil
	stranger := x509.Certificate{Subject: pkix.Name{CommonName: "spiffe://example.com/mesh"}}
	for name, c := range map[string]struct {
		request *http.Request
		caller  string
		reason  string
	}{
		"a certificate":                          {certified(t, mesh(t)), "mesh", ""},
		"one that nobody has verified":           {unverified, "", caller.ReasonMissing},
		"one that no row names":                  {certified(t, stranger), "", caller.ReasonMissing},
		"one that no row names, and a key":       {certified(t, stranger, "Bearer "+checkoutKey), "checkout", ""},
		"one, and another caller's key":          {certified(t, mesh(t), "Bearer "+checkoutKey), "", caller.ReasonConflicting},
		"one, and a wrong key":                   {certified(t, mesh(t), "Bearer nobodys"), "", caller.ReasonUnknown},
		"one, and a header that cannot be a key": {certified(t, mesh(t), "Bearer"), "", caller.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := r.Authenticate("http", c.request)
			reason := ""
			if err != nil {
				reason = err.Reason
			}
			if who.Name != c.caller || reason != c.reason {
				t.Errorf("got %q, %v; want %q, %q", who.Name, err, c.caller, c.reason)
			}
		})
	}
}

func TestACertificateIsACallersWhenAllThatIsAskedForHolds(t *testing.T) {
	shown := certified(t, mesh(t))
	key := caller.Hash(sha256.Sum256(shown.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo))
	for name, c := range map[string]struct {
		wanted caller.Certificate
		fits   bool
	}{
		"its name":            {caller.Certificate{CommonName: "mesh"}, true},
		"its address":         {caller.Certificate{DNS: "MESH.example.com"}, true},
		"its key":             {caller.Certificate{Keys: []caller.Hash{hash("another"), key}}, true},
		"all":                 {caller.Certificate{CommonName: "mesh", DNS: "mesh.example.com", URI: "spiffe://example.com/mesh", Keys: []caller.Hash{key}}, true},
		"another name":        {caller.Certificate{CommonName: "Mesh"}, false},
		"another address":     {caller.Certificate{DNS: "example.com"}, false},
		"another URI":         {caller.Certificate{URI: "spiffe://example.com/mesh/"}, false},
		"another key":         {caller.Certificate{Keys: []caller.Hash{hash("another")}}, false},
		"all but one of them": {caller.Certificate{CommonName: "mesh", DNS: "example.com"}, false},
	} {
		r := registry(t, caller.Config{Rows: []caller.Row{{Name: "mesh", Certificate: &c.wanted}}})
		if _, err := r.Authenticate("http", shown); (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusalsAreToldWithoutWhatWasShown(t *testing.T) {
	var told []caller.Refusal
	r, err := caller.New(callers(t), caller.Options{Refused: func(f caller.Refusal) { told = append(told, f) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{"Bearer canary-1", basic("canary-2", "canary-3"), "canary-4", "Bearer " + searchKey, "Bearer " + checkoutKey} {
		_, _ = r.Authenticate("http", request(shown))
	}
	if len(told) != 4 {
		t.Fatalf("told of %d refusals, want 4", len(told))
	}
	for _, f := range told[:3] {
		if f.Caller != "" || f.Protocol != "http" || f.Remote != "192.0.2.1" || f.Err.Code != daybook.Unauthenticated {
			t.Errorf("told %+v", f)
		}
	}
	if told[3].Caller != "search" || told[3].Err.Code != daybook.Denied {
		t.Errorf("told %+v", told[3])
	}
}

func TestAnotherConfigurationCountsFromTheNextRequest(t *testing.T) {
	c := callers(t)
	r := registry(t, c)
	apply, err := r.Prepare(caller.Config{Rows: []caller.Row{{Name: "checkout", Keys: []caller.Hash{hash("dbk_new")}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Authenticate("http", request("Bearer "+checkoutKey)); err != nil {
		t.Errorf("before it is applied: %v", err)
	}
	apply()
	if _, err := r.Authenticate("http", request("Bearer "+checkoutKey)); err == nil {
		t.Error("a key that was taken away lets in")
	}
	if who, err := r.Authenticate("http", request("Bearer dbk_new")); err != nil || who.Name != "checkout" {
		t.Errorf("the new key: %+v, %v", who, err)
	}
	if _, err := r.Prepare(caller.Config{Rows: []caller.Row{{Name: "a b"}}}); err == nil {
		t.Error("a configuration with problems can be applied")
	}
}
