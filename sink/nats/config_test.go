package nats_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"daybook.dev"
	"daybook.dev/sink/nats"
	"daybook.dev/sink/sinktest"
)

const secret = "correct-horse-battery"

func TestOpenRefusesWhatCannotBeMeant(t *testing.T) {
	for _, test := range []struct {
		name, field string
		change      func(*nats.Config)
	}{
		{"no servers", "urls", func(c *nats.Config) { c.URLs = nil }},
		{"an address with a password", "urls", func(c *nats.Config) { c.URLs = []string{"nats://ann:" + secret + "@127.0.0.1:4222"} }},
		{"two addresses in one", "urls", func(c *nats.Config) {
			c.URLs = []string{"nats://127.0.0.1:4222,nats://ann:" + secret + "@127.0.0.1:4223"}
		}},
		{"an address without a scheme", "urls", func(c *nats.Config) { c.URLs = []string{"localhost:4222"} }},
		{"two ways to log in", "credentials_file", func(c *nats.Config) { c.Token, c.NKeyFile = secret, "x" }},
		{"a user without a password", "user", func(c *nats.Config) { c.User = "ann" }},
		{"a file of no key", "nkey_file", func(c *nats.Config) { c.NKeyFile = "config_test.go" }},
		{"a stream with a dot", "stream", func(c *nats.Config) { c.Stream = "a.b" }},
		{"a negative timeout", "", func(c *nats.Config) { c.Timeout = -time.Second }},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := nats.Config{URLs: []string{"nats://127.0.0.1:1"}, Subject: subject, Unchecked: true}
			test.change(&config)
			_, err := nats.Open(t.Context(), config)
			e, ok := errors.AsType[*daybook.Error](err)
			if !ok || e.Code != daybook.Invalid || e.Field != test.field {
				t.Fatalf("error is %v, want an invalid %q", err, test.field)
			}
			sinktest.CheckText(t, err, secret)
		})
	}
}

// file writes a file that nobody else reads.
func file(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogin(t *testing.T) {
	t.Run("by user and password", func(t *testing.T) {
		testLogin(t, func(o *server.Options) { o.Username, o.Password = "ann", secret },
			func(c *nats.Config) { c.User, c.Password = "ann", secret },
			func(c *nats.Config) { c.User, c.Password = "ann", secret+"x" })
	})
	t.Run("by token", func(t *testing.T) {
		testLogin(t, func(o *server.Options) { o.Authorization = secret },
			func(c *nats.Config) { c.Token = secret },
			func(c *nats.Config) { c.Token = secret + "x" })
	})
	t.Run("by a key", func(t *testing.T) {
		key, other := userKey(t), userKey(t)
		testLogin(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public(t, key)}} },
			func(c *nats.Config) { c.NKeyFile = file(t, seed(t, key)) },
			func(c *nats.Config) { c.NKeyFile = file(t, seed(t, other)) })
	})
	t.Run("by credentials", func(t *testing.T) {
		ours := operator(t)
		known, token := account(t, ours)
		unknown, _ := account(t, operator(t))
		testLogin(t, func(o *server.Options) { trust(t, o, ours, known, token) },
			func(c *nats.Config) { c.CredentialsFile = file(t, credentials(t, known)) },
			func(c *nats.Config) { c.CredentialsFile = file(t, credentials(t, unknown)) })
	})
}

// testLogin opens a sink with what the server knows, and with what it does not.
func testLogin(t *testing.T, options func(*server.Options), known, unknown func(*nats.Config)) {
	t.Helper()
	srv := start(t, options, func(o *server.Options) { o.JetStream = false })
	openOnly(t, srv.ClientURL(), known)

	config := nats.Config{URLs: []string{srv.ClientURL()}, Subject: subject}
	unknown(&config)
	_, err := nats.Open(t.Context(), config)
	want(t, err, daybook.Unauthenticated, "login_refused")
	sinktest.CheckText(t, err, secret)

	s := openOnly(t, srv.ClientURL(), unknown, func(c *nats.Config) { c.Unchecked = true })
	for err = s.Write(t.Context(), events(2)); daybook.CodeOf(err) == daybook.Unavailable && t.Context().Err() == nil; {
		err = s.Write(t.Context(), events(2)) // nobody has been refused yet
	}
	want(t, err, daybook.Unauthenticated, "login_refused")
	sinktest.CheckText(t, err, secret)
}

func userKey(t *testing.T) nkeys.KeyPair {
	t.Helper()
	return must(nkeys.CreateUser())(t)
}

func operator(t *testing.T) nkeys.KeyPair {
	t.Helper()
	return must(nkeys.CreateOperator())(t)
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	return must(key.PublicKey())(t)
}

func seed(t *testing.T, key nkeys.KeyPair) []byte {
	t.Helper()
	return must(key.Seed())(t)
}

// must returns a value, unless there was an error on the way to it.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// account makes an account of the operator.
func account(t *testing.T, operator nkeys.KeyPair) (key nkeys.KeyPair, token string) {
	t.Helper()
	key = must(nkeys.CreateAccount())(t)
	return key, must(jwt.NewAccountClaims(public(t, key)).Encode(operator))(t)
}

// credentials returns a file for a user of the account.
func credentials(t *testing.T, account nkeys.KeyPair) []byte {
	t.Helper()
	user := userKey(t)
	token := must(jwt.NewUserClaims(public(t, user)).Encode(account))(t)
	return must(jwt.FormatUserConfig(token, seed(t, user)))(t)
}

// trust makes a server believe the operator.
func trust(t *testing.T, o *server.Options, operator, account nkeys.KeyPair, accountJWT string) {
	t.Helper()
	claims := jwt.NewOperatorClaims(public(t, operator))
	token := must(claims.Encode(operator))(t)
	o.TrustedOperators = []*jwt.OperatorClaims{must(jwt.DecodeOperatorClaims(token))(t)}
	resolver := new(server.MemAccResolver)
	if err := resolver.Store(public(t, account), accountJWT); err != nil {
		t.Fatal(err)
	}
	o.AccountResolver = resolver
}

func TestWhoMayNotPublishIsDenied(t *testing.T) {
	permissions := &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"events.secret-type"}}}
	srv := start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "ann", Password: secret, Permissions: permissions}}
	})
	s := open(t, srv.ClientURL(), func(c *nats.Config) { c.User, c.Password, c.Subject = "ann", secret, "events.{event_type}" })
	some := events(2)
	some[1].Type = "secret-type"
	err := s.Write(t.Context(), some)
	if daybook.CodeOf(err) != daybook.Denied {
		t.Fatalf("error is %v (%v)", err, daybook.CodeOf(err))
	}
	sinktest.CheckText(t, err, secret, "secret-type")
	if err := s.Write(t.Context(), events(2)); err != nil {
		t.Errorf("what is permitted: %v", err)
	}
}

func TestTLS(t *testing.T) {
	// Its certificate is for example.com, and its client knows the authority.
	issuer := httptest.NewTLSServer(nil)
	t.Cleanup(issuer.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(issuer.Certificate())
	srv := start(t, func(o *server.Options) {
		o.TLSConfig, o.TLS = &tls.Config{Certificates: issuer.TLS.Certificates}, true
	})
	for _, test := range []struct {
		name   string
		tls    *tls.Config
		reason string
	}{
		{"a certificate of a known authority", &tls.Config{RootCAs: trusted, ServerName: "example.com"}, ""},
		{"one of an unknown authority", &tls.Config{ServerName: "example.com"}, "untrusted_certificate"},
		{"one for another name", &tls.Config{RootCAs: trusted, ServerName: "example.org"}, "untrusted_certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := nats.Open(t.Context(), nats.Config{URLs: []string{srv.ClientURL()}, Subject: subject, TLS: test.tls})
			if test.reason != "" {
				want(t, err, daybook.Denied, test.reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			closeSink(t, s)
		})
	}
}
