package token_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"daybook.dev/gateway/internal/caller/token"
	"daybook.dev/gateway/internal/caller/token/tokentest"
)

// FuzzVerify looks for a token that makes the gateway panic, or that is good
// although nobody issued it.
func FuzzVerify(f *testing.F) {
	s := tokentest.New(f)
	issuer := token.NewIssuer(token.IssuerOptions{URL: s.URL})
	f.Cleanup(issuer.Close)
	router := &token.Router{Issuers: map[string]token.Verifier{s.URL: issuer, "": issuer}}
	stranger := tokentest.New(f)
	f.Add(stranger.JWT(map[string]any{"iss": s.URL, "exp": time.Now().Add(time.Hour).Unix()}))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := router.Verify(t.Context(), text)
		if _, ok := errors.AsType[*token.RefusedError](err); !ok {
			t.Errorf("it says %+v, %v", claims, err)
		}
	})
}

// FuzzIntrospection looks for an answer that makes the gateway panic, or that
// counts as yes without saying so.
func FuzzIntrospection(f *testing.F) {
	s := tokentest.New(f)
	i := token.NewIntrospection(token.IntrospectionOptions{URL: s.URL + tokentest.IntrospectionPath, Keep: []string{"tier"}})
	f.Cleanup(i.Close)
	for _, body := range []string{
		`{"active":true,"scope":"a b","exp":1e300,"aud":["x",1,null,{}],"tier":[[]]}`, `{"active":true,"exp":-1}`, `{"active":"true"}`, `{"active":1}`, `null`, `{}`, ``, `[`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s.Break(func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(body); return true })
		_, err := i.Verify(t.Context(), "any")
		if err == nil && !active(body) {
			t.Errorf("%s counts as yes", body)
		}
	})
}

// active tells whether an answer says so in the member of that very name.
func active(body []byte) bool {
	var answer map[string]any
	return json.Unmarshal(body, &answer) == nil && answer["active"] == true
}
