package caller_test

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/caller/license/licensetest"
	"daybook.dev/gateway/internal/caller/token"
	"daybook.dev/gateway/internal/caller/token/tokentest"
)

var publish = caller.ServiceScopes[0]

// introspected returns the part of a gateway that asks s about tokens.
func introspected(t *testing.T, s *tokentest.Server) *token.Cache {
	t.Helper()
	i := token.NewIntrospection(token.IntrospectionOptions{
		URL: s.URL + tokentest.IntrospectionPath, ClientID: tokentest.ClientID, ClientSecret: tokentest.ClientSecret, Keep: []string{"tier"},
	})
	t.Cleanup(i.Close)
	return &token.Cache{Verifier: &token.Router{Opaque: i}}
}

// both returns the part of a gateway that takes JWTs of s, and asks it about all
// other tokens.
func both(t *testing.T, s *tokentest.Server) *token.Cache {
	t.Helper()
	issuer := token.NewIssuer(token.IssuerOptions{URL: s.URL, Keep: []string{"repository"}})
	t.Cleanup(issuer.Close)
	opaque := introspected(t, s).Verifier.(*token.Router).Opaque
	return &token.Cache{Verifier: &token.Router{Issuers: map[string]token.Verifier{s.URL: issuer}, Opaque: opaque}}
}

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

func TestALicenseProvesTheRowThatKnowsItsVendor(t *testing.T) {
	ours, other, stranger := licensetest.New(t), licensetest.New(t), licensetest.New(t)
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	r := registry(t, caller.Config{Rows: []caller.Row{
		{Name: "checkout", Keys: []caller.Hash{hash(checkoutKey)}},
		{Name: "instances", Instances: &caller.Instances{LicenseKeys: []string{ours.PublicKey()}}},
		{Name: "strict", Public: true, Instances: &caller.Instances{LicenseKeys: []string{other.PublicKey()}, EnforceExpiry: true}},
		{Name: "narrow", Protocols: []string{"http"}, Instances: &caller.Instances{LicenseKeys: []string{stranger.PublicKey()}}},
	}})
	for _, c := range []struct {
		name, key, caller string
		code              daybook.Code
		message           string
	}{
		{"a license", ours.License(future), "instances", daybook.OK, ""},
		{"an old one, where that does not matter", ours.License(past), "instances", daybook.OK, ""},
		{"a license of another vendor", other.License(future), "strict", daybook.OK, ""},
		{"an old one, where it does", other.License(past), "", daybook.Invalid, "invalid license_key: it has expired"},
		{"a license of nobody", licensetest.New(t).License(future), "", daybook.Invalid, "invalid license_key: it is not signed by a key that is trusted here"},
		{"nonsense", "canary", "", daybook.Invalid, "invalid license_key: it does not hold a signature and an info as JSON"},
		{"a row that may not use the protocol", stranger.License(future), "", daybook.Denied, "this caller may not send with this protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := r.Licensed(c.key)
			told(t, who, err, verdict(c.caller, c.code, c.message))
		})
	}
	if who, _ := r.Licensed(other.License(future)); !who.Public {
		t.Error("the row is public, and the caller is not")
	}
}

func TestWithoutAPublicKeyNoLicenseProvesAnything(t *testing.T) {
	key := licensetest.New(t).License(time.Now())
	for name, r := range map[string]*caller.Registry{
		"no callers": nil, "an empty registry": registry(t, caller.Config{}), "other rows": registry(t, callers(t)),
	} {
		t.Run(name, func(t *testing.T) {
			who, err := r.Licensed(key)
			told(t, who, err, verdict("", daybook.Invalid, "invalid license_key: it cannot be verified: no public key is configured"))
		})
	}
}

func TestUnlicensedInstancesAreLetInWhereAnonymousCallersAre(t *testing.T) {
	unlicensed := caller.Row{Name: "free", Instances: &caller.Instances{Unlicensed: true}}
	narrow := caller.Row{Name: caller.AnonymousName, Protocols: []string{"http"}}
	with := func(c caller.Config, allow bool, rows ...caller.Row) caller.Config {
		c.Rows, c.AllowAnonymous = append(c.Rows, rows...), allow
		return c
	}
	for _, c := range []struct {
		name    string
		r       *caller.Registry
		caller  string
		code    daybook.Code
		message string
	}{
		{"no callers", nil, "anonymous", daybook.OK, ""},
		{"an empty registry", registry(t, caller.Config{}), "anonymous", daybook.OK, ""},
		{"callers", registry(t, callers(t)), "", daybook.Denied, "instances without a license may not send here"},
		{"callers, and anonymous ones", registry(t, with(callers(t), true)), "anonymous", daybook.OK, ""},
		{"a row of their own", registry(t, with(callers(t), false, unlicensed)), "free", daybook.OK, ""},
		{"a row of their own beside anonymous callers", registry(t, with(callers(t), true, unlicensed)), "free", daybook.OK, ""},
		{"anonymous callers who may not use the protocol", registry(t, with(callers(t), true, narrow)), "", daybook.Denied, "this caller may not send with this protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := c.r.Unlicensed()
			told(t, who, err, verdict(c.caller, c.code, c.message))
		})
	}
}

func TestAManagedServiceIsKnownByItsToken(t *testing.T) {
	s := tokentest.New(t)
	good := both(t, s)
	r := registry(t, caller.Config{Rows: []caller.Row{
		{Name: "checkout", Keys: []caller.Hash{hash(checkoutKey)}},
		{Name: "bots", Services: []string{"robot"}, Tokens: &caller.TokenMatch{Good: good, Client: "robots"}},
		{Name: "services", Public: true, Tokens: &caller.TokenMatch{Good: good}},
		{Name: "signed", Public: true, Tokens: &caller.TokenMatch{Good: good, Issuer: s.URL, Audience: "daybook"}},
	}})
	s.Opaque("canary-publish", map[string]any{"scope": "openid " + publish})
	s.Opaque("canary-write", map[string]any{"scope": "telemetry_gateway::events::write"})
	s.Opaque("canary-read", map[string]any{"scope": "telemetry_gateway::events::read"})
	s.Opaque("canary-deeper", map[string]any{"scope": "telemetry_gateway::events.debug::publish"})
	s.Opaque("canary-robot", map[string]any{"client_id": "robots", "scope": publish})
	s.Opaque("canary-old", map[string]any{"exp": 1, "scope": publish})
	jwt := s.JWT(map[string]any{"aud": "daybook", "exp": inAnHour(), "scope": publish})
	elsewhere := s.JWT(map[string]any{"aud": "other", "exp": inAnHour(), "scope": publish})
	const no = "permission denied"
	const oneToken = "managed services send one authorization: Bearer TOKEN"
	for _, c := range []struct {
		name    string
		shown   []string
		service string
		caller  string
		code    daybook.Code
		message string
	}{
		{"the documented scope", []string{"Bearer canary-publish"}, "x", "services", daybook.OK, ""},
		{"the scope that clients hold", []string{"bearer canary-write"}, "x", "services", daybook.OK, ""},
		{"the scheme in any case", []string{"BEARER canary-write"}, "x", "services", daybook.OK, ""},
		{"a JWT", []string{"Bearer " + jwt}, "x", "signed", daybook.OK, ""},
		{"a JWT for others", []string{"Bearer " + elsewhere}, "x", "", daybook.Denied, no},
		{"another scope", []string{"Bearer canary-read"}, "x", "", daybook.Denied, no},
		{"a scope below", []string{"Bearer canary-deeper"}, "x", "", daybook.Denied, no},
		{"an old token", []string{"Bearer canary-old"}, "x", "", daybook.Denied, no},
		{"nobody's token", []string{"Bearer canary-nobody"}, "x", "", daybook.Denied, no},
		{"a key of a row", []string{"Bearer " + checkoutKey}, "x", "", daybook.Denied, no},
		{"a service with a row of its own", []string{"Bearer canary-robot"}, "robot", "bots", daybook.OK, ""},
		{"another service with its token", []string{"Bearer canary-robot"}, "x", "services", daybook.OK, ""},
		{"nothing", nil, "x", "", daybook.Unauthenticated, "no credentials: send authorization: Bearer TOKEN"},
		{"an empty header", []string{""}, "x", "", daybook.Unauthenticated, oneToken},
		{"two", []string{"Bearer canary-write", "Bearer canary-write"}, "x", "", daybook.Unauthenticated, oneToken},
		{"no token", []string{"Bearer "}, "x", "", daybook.Unauthenticated, oneToken},
		{"two words", []string{"Bearer canary-write canary-write"}, "x", "", daybook.Unauthenticated, oneToken},
		{"another scheme", []string{basic("canary", "canary-write")}, "x", "", daybook.Unauthenticated, oneToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := r.Service(t.Context(), c.shown, c.service)
			told(t, who, err, verdict(c.caller, c.code, c.message))
			if want := c.caller == "services" || c.caller == "signed"; who.Public != want {
				t.Errorf("public is %v", who.Public)
			}
		})
	}
}

func TestTheScopesOfManagedServicesAreTheOperatorsToSay(t *testing.T) {
	s := tokentest.New(t)
	s.Opaque("old", map[string]any{"scope": publish})
	s.Opaque("new", map[string]any{"scope": "acme::events::send"})
	r := registry(t, caller.Config{
		Rows:          []caller.Row{{Name: "services", Tokens: &caller.TokenMatch{Good: introspected(t, s)}}},
		ServiceScopes: []string{"acme::events.telemetry::send"},
	})
	who, err := r.Service(t.Context(), []string{"Bearer new"}, "x")
	told(t, who, err, verdict("services", daybook.OK, ""))
	who, err = r.Service(t.Context(), []string{"Bearer old"}, "x")
	told(t, who, err, verdict("", daybook.Denied, "permission denied"))
}

func TestWithoutAVerifierNoManagedServiceMaySend(t *testing.T) {
	for name, r := range map[string]*caller.Registry{
		"no callers": nil, "an empty registry": registry(t, caller.Config{}),
		"anonymous callers": registry(t, caller.Config{Rows: callers(t).Rows[:2], AllowAnonymous: true}),
	} {
		t.Run(name, func(t *testing.T) {
			who, err := r.Service(t.Context(), []string{"Bearer " + checkoutKey}, "x")
			told(t, who, err, verdict("", daybook.Denied, "permission denied"))
			who, err = r.Service(t.Context(), nil, "x")
			told(t, who, err, verdict("", daybook.Unauthenticated, "no credentials: send authorization: Bearer TOKEN"))
		})
	}
}

func TestAServerThatCannotSayIsNoRefusal(t *testing.T) {
	s := tokentest.New(t)
	s.Opaque("canary-good", map[string]any{"scope": publish})
	r := registry(t, caller.Config{Rows: []caller.Row{{Name: "services", Tokens: &caller.TokenMatch{Good: introspected(t, s)}}}})
	s.Break(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	who, err := r.Service(t.Context(), []string{"Bearer canary-good"}, "x")
	told(t, who, err, verdict("", daybook.Internal, "the token could not be checked"))
	who, err = r.Authenticate("http", request("Bearer canary-good"))
	told(t, who, err, verdict("", daybook.Internal, "the token could not be checked"))
	s.Break(nil)
	who, err = r.Service(t.Context(), []string{"Bearer canary-good"}, "x")
	told(t, who, err, verdict("services", daybook.OK, ""))
}

func TestAManagedServicesQuotaIsItsRows(t *testing.T) {
	s := tokentest.New(t)
	s.Opaque("good", map[string]any{"scope": publish})
	r := registry(t, caller.Config{Rows: []caller.Row{
		{Name: "services", Quota: caller.Quota{Events: 1}, Tokens: &caller.TokenMatch{Good: introspected(t, s)}},
	}})
	who, err := r.Service(t.Context(), []string{"Bearer good"}, "x")
	told(t, who, err, verdict("services", daybook.OK, ""))
	if err := who.Take(1000, 1); err != nil {
		t.Fatal(err)
	}
	who, err = r.Service(t.Context(), []string{"Bearer good"}, "x")
	told(t, who, err, verdict("", daybook.Exhausted, "this caller's quota is used up"))
}

func TestRefusalsOfSendersAreTold(t *testing.T) {
	var all []caller.Refusal
	var mu sync.Mutex // guards all
	r, err := caller.New(callers(t), caller.Options{Refused: func(r caller.Refusal) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.Licensed("canary")
	_, _ = r.Unlicensed()
	_, _ = r.Service(t.Context(), []string{"Bearer an.old.token"}, "x")
	var reasons []string
	for _, refusal := range all {
		reasons = append(reasons, refusal.Err.Reason)
		if refusal.Protocol != caller.TelemetryGateway {
			t.Errorf("protocol is %q", refusal.Protocol)
		}
	}
	if got := strings.Join(reasons, " "); got != "invalid_license_key unlicensed not_permitted" {
		t.Errorf("told of %s", got)
	}
}

func TestARowTakesTheTokensThatFitAllItSays(t *testing.T) {
	s := tokentest.New(t)
	good := both(t, s)
	row := func(name string, m caller.TokenMatch) caller.Row {
		m.Good = good
		return caller.Row{Name: name, Tokens: &m}
	}
	r := registry(t, caller.Config{Rows: []caller.Row{
		row("ci", caller.TokenMatch{Issuer: s.URL, Audience: "daybook", Claims: map[string]string{"repository": "acme/shop"}}),
		row("ann", caller.TokenMatch{Issuer: s.URL, Audience: "daybook", Subject: "ann"}),
		row("app", caller.TokenMatch{Issuer: s.URL, Audience: "daybook", Client: "app", Scopes: []string{"daybook::events::send", "all"}}),
		row("gold", caller.TokenMatch{Claims: map[string]string{"tier": "gold"}}),
		row("other", caller.TokenMatch{Issuer: "https://else.where"}),
	}})
	jwt := func(claims map[string]any) string {
		all := map[string]any{"aud": []string{"else", "daybook"}, "exp": inAnHour()}
		maps.Copy(all, claims)
		return s.JWT(all)
	}
	s.Opaque("gold", map[string]any{"tier": "gold", "iss": s.URL, "sub": "ann", "aud": "daybook"})
	s.Opaque("lead", map[string]any{"tier": "lead", "iss": s.URL, "sub": "ann", "aud": "daybook"})
	for _, c := range []struct{ name, token, caller string }{
		{"by a claim", jwt(map[string]any{"repository": "acme/shop"}), "ci"},
		{"by one of a claim's values", jwt(map[string]any{"repository": []string{"x", "acme/shop"}}), "ci"},
		{"another value", jwt(map[string]any{"repository": "acme/shop2"}), ""},
		{"by the subject", jwt(map[string]any{"sub": "ann"}), "ann"},
		{"another subject", jwt(map[string]any{"sub": "anna"}), ""},
		{"another audience", jwt(map[string]any{"sub": "ann", "aud": "else"}), ""},
		{"no audience", jwt(map[string]any{"sub": "ann", "aud": nil}), ""},
		{"by client and scope", jwt(map[string]any{"client_id": "app", "scope": "all"}), "app"},
		{"by client and a scope above", jwt(map[string]any{"azp": "app", "scp": []string{"daybook::events::send"}}), "app"},
		{"without the scope", jwt(map[string]any{"client_id": "app", "scope": "some"}), ""},
		{"by what a server says", "gold", "gold"},
		{"a token of which a server says else: what it says is no signature", "lead", ""},
		{"an old one", jwt(map[string]any{"sub": "ann", "exp": 1}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := r.Authenticate("http", request("Bearer "+c.token))
			if c.caller != "" {
				told(t, who, err, verdict(c.caller, daybook.OK, ""))
				return
			}
			told(t, who, err, verdict("", daybook.Unauthenticated, "the credentials are nobody's: see that the key is complete, and has not been revoked"))
		})
	}
}

func TestInstancesMustLetSomebodyIn(t *testing.T) {
	for want, instances := range map[string]caller.Instances{
		"caller i: instances: lets nobody in: add license_keys, or unlicensed: true":                            {},
		"caller i: instances.license_keys: public key: line 1: is neither a line of authorized_keys nor base64": {LicenseKeys: []string{"canary!"}},
	} {
		_, err := caller.New(caller.Config{Rows: []caller.Row{{Name: "i", Instances: &instances}}}, caller.Options{})
		if err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// verdict is what becomes of a sender: the name of its caller, or the refusal.
func verdict(name string, code daybook.Code, message string) string {
	if code == daybook.OK {
		return name
	}
	return code.String() + ": " + message
}

// told wants a verdict, and no secret in it.
func told(t *testing.T, who caller.Caller, err *daybook.Error, want string) {
	t.Helper()
	got := who.Name
	if err != nil {
		got = verdict("", err.Code, err.Message)
		if who != (caller.Caller{}) || err.Reason == "" {
			t.Errorf("refused as %q, for the reason %q", who.Name, err.Reason)
		}
	}
	if got != want {
		t.Errorf("the verdict is %q, want %q", got, want)
	}
	if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "eyJ")) {
		t.Errorf("the refusal holds a secret: %v", err)
	}
}
