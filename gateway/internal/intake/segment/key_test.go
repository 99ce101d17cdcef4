package segment_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
)

// TestTheWriteKeyIsACallersKey: as the user of Basic, as SDKs send it; one in the
// body must be the same caller's, and alone proves nobody.
func TestTheWriteKeyIsACallersKey(t *testing.T) {
	const shop, other = "shop-key-0123456789abcdefghijklmnop", "other-key-0123456789abcdefghijklmno"
	registry, err := caller.New(caller.Config{Rows: []caller.Row{
		{Name: "shop", Keys: []caller.Hash{sha256.Sum256([]byte(shop))}},
		{Name: "other", Keys: []caller.Hash{sha256.Sum256([]byte(other))}},
	}}, caller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header, body, reason string
	}{
		"in the header":                {shop, "", ""},
		"in both":                      {shop, shop, ""},
		"another caller's in the body": {shop, other, caller.ReasonConflicting},
		"nobody's in the body":         {shop, "made-up", caller.ReasonConflicting},
		"in the body alone":            {"", shop, caller.ReasonMissing},
		"nobody's in the header":       {"made-up", shop, caller.ReasonUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := &intaketest.Recorder{}
			var refused []intake.Refusal
			h := newHandler(s)
			h.Callers, h.Refused = registry, func(r intake.Refusal) { refused = append(refused, r) }
			var headers []string
			if c.header != "" {
				headers = []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(c.header+":"))}
			}
			w := post(h, "/v1/batch", `{"batch":[`+message("")+`],"writeKey":"`+c.body+`"}`, headers...)
			if c.reason == "" {
				if r := s.Records(); w.Code != http.StatusOK || len(r) != 1 || r[0].Caller != "shop" || strings.Contains(string(r[0].Event.Metadata), shop) {
					t.Errorf("status %d, stored %+v", w.Code, r)
				}
				return
			}
			if w.Code != http.StatusUnauthorized || intaketest.ReasonOf(t, w) != c.reason || len(s.Records()) != 0 || len(refused) != 1 {
				t.Errorf("status %d, %d stored, told of %d: %s", w.Code, len(s.Records()), len(refused), w.Body)
			}
			for _, secret := range []string{shop, other, "made-up"} {
				if strings.Contains(w.Body.String(), secret) {
					t.Errorf("the answer has a key: %s", w.Body)
				}
			}
		})
	}
}
