// Package tokentest runs a small OAuth 2 server in a test: discovery, keys with
// rotation, introspection, and the ways in which such a server fails.
package tokentest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// The gateway's own credentials at the server. They must be escaped to be sent.
const (
	ClientID     = "day:book"
	ClientSecret = "canary secret/+%"
)

// IntrospectionPath is where tokens are asked about.
const IntrospectionPath = "/introspect"

// A Server issues tokens and knows about them. Its URL is the issuer.
type Server struct {
	URL string

	t testing.TB

	mu      sync.Mutex // guards what follows
	current signer
	public  []jose.JSONWebKey
	opaque  map[string]map[string]any
	broken  func(http.ResponseWriter, *http.Request) bool
	asked   map[string]int // requests by path
	made    int            // keys
}

type signer struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       any
}

// New starts a server with one EC key. It ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, opaque: map[string]map[string]any{}, asked: map[string]int{}}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	routes.HandleFunc("GET /keys", s.keys)
	routes.HandleFunc("POST "+IntrospectionPath, s.introspect)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // the server notices only then that who asked has gone
		s.mu.Lock()
		s.asked[r.URL.Path]++
		breaks := s.broken
		s.mu.Unlock()
		if breaks == nil || !breaks(w, r) {
			routes.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.Rotate(jose.ES256, key, false)
	return s
}

// Rotate signs with key from now on. The keys of before stay known when keep is
// true.
func (s *Server) Rotate(algorithm jose.SignatureAlgorithm, key crypto.Signer, keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !keep {
		s.public = nil
	}
	s.made++
	s.current = signer{fmt.Sprintf("key-%d", s.made), algorithm, key}
	s.public = append(s.public, jose.JSONWebKey{Key: key.Public(), KeyID: s.current.id, Algorithm: string(algorithm), Use: "sig"})
}

// Break lets broken answer requests from now on, where it returns true. Nil mends
// the server.
func (s *Server) Break(broken func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

// Asked is how many requests there were for a path.
func (s *Server) Asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// JWT returns a signed token that names the server as its issuer, unless the
// claims say otherwise.
func (s *Server) JWT(claims map[string]any) string {
	s.t.Helper()
	s.mu.Lock()
	by := s.current
	s.mu.Unlock()
	all := map[string]any{"iss": s.URL}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	return Sign(s.t, by.algorithm, jose.JSONWebKey{Key: by.key, KeyID: by.id}, payload)
}

// Sign returns a JWT of any payload. A key of type [jose.JSONWebKey] puts its id
// into the header.
func Sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Opaque makes token an active one with these claims; nil claims withdraw it.
func (s *Server) Opaque(token string, claims map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if claims == nil {
		delete(s.opaque, token)
		return
	}
	s.opaque[token] = claims
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"issuer": s.URL, "jwks_uri": s.URL + "/keys", "introspection_endpoint": s.URL + IntrospectionPath,
		"authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
	})
}

func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]any, 0, len(s.public)+1)
	keys = append(keys, map[string]any{"kty": "OKP", "crv": "of-the-future", "kid": "new", "alg": "PQ1"})
	for i := range s.public {
		keys = append(keys, s.public[i])
	}
	answer(w, map[string]any{"keys": keys})
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok || user != url.QueryEscape(ClientID) || password != url.QueryEscape(ClientSecret) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	claims, known := s.opaque[r.PostFormValue("token")]
	s.mu.Unlock()
	all := map[string]any{"active": known}
	maps.Copy(all, claims)
	answer(w, all)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // who asked has gone
}
