package serve

import (
	"testing"
	"time"

	"daybook.dev/gateway/internal/caller/token/tokentest"
)

func TestAnIssuerThatStaysIsNotClosedWithTheVerifiersBefore(t *testing.T) {
	s := tokentest.New(t)
	c := Config{Callers: []Caller{{Name: "ci", JWT: CallerJWT{Issuer: s.URL, Audience: "daybook"}}}}
	m := newMetrics(Build{})
	before := (*verifiers)(nil).next(c, m)
	c.Tokens.Keep = 30 * time.Second
	after := before.next(c, m)
	before.close(after)
	t.Cleanup(func() { after.close(nil) })
	text := s.JWT(map[string]any{"aud": "daybook", "exp": time.Now().Add(time.Hour).Unix()})
	if _, err := after.cache.Verify(t.Context(), text); after == before || err != nil {
		t.Errorf("its tokens are not good any more: %v", err)
	}
}
