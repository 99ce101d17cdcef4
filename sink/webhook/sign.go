package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"daybook.dev"
)

// The headers of Standard Webhooks.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// The sizes of a secret that Standard Webhooks allows, in bytes.
const (
	minSecret = 24
	maxSecret = 64
)

// A secret signs.
type secret struct{ key []byte }

// parseSecrets reads secrets as they are configured. Errors name the position
// and never the text.
func parseSecrets(texts []string) ([]secret, error) {
	secrets := make([]secret, len(texts))
	for i, text := range texts {
		encoded, ok := strings.CutPrefix(text, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
			return nil, &daybook.Error{
				Code: daybook.Invalid, Where: where, Field: fmt.Sprintf("secrets[%d]", i), Reason: "invalid_key",
				Message: fmt.Sprintf(`secret %d is not "whsec_" and the base64 of %d to %d bytes; make one with: echo "whsec_$(openssl rand -base64 32)"`,
					i+1, minSecret, maxSecret),
			}
		}
		secrets[i].key = key
	}
	return secrets, nil
}

// sign returns the signatures of a request, one for each secret.
func sign(secrets []secret, id, timestamp string, text []byte) string {
	var signatures strings.Builder
	for i, s := range secrets {
		if i > 0 {
			signatures.WriteByte(' ')
		}
		mac := hmac.New(sha256.New, s.key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(text)
		signatures.WriteString("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return signatures.String()
}
