package webhook

import "testing"

// Sign signs as a sink with these secrets does.
func Sign(t *testing.T, secrets []string, id, timestamp string, text []byte) string {
	parsed, err := parseSecrets(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return sign(parsed, id, timestamp, text)
}
