package license_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller/license"
	"daybook.dev/gateway/internal/caller/license/licensetest"
)

// FuzzParse looks for a license key that makes the gateway panic, one that
// verifies although nobody signed it, and an error that repeats what was sent.
func FuzzParse(f *testing.F) {
	vendor := licensetest.New(f)
	keys, err := license.ParsePublicKeys(vendor.PublicKey())
	if err != nil {
		f.Fatal(err)
	}
	other := licensetest.New(f)
	for _, text := range []string{
		other.License(time.Unix(1e9, 0)), other.Sign("rsa-sha2-256", "null"), other.Sign("rsa-sha2-512", `{"n":[1,2,3,4,5,6,7,8]}`), "", "e30", "bnVsbA",
		base64.RawURLEncoding.EncodeToString([]byte(`{"sig":{"Format":"ssh-rsa","Blob":"AA==","Rest":""},"info":"eyJuIjpbMSwyLDMsNCw1LDYsNyw4XX0="}`)),
	} {
		f.Add(text)
		if outer, err := base64.RawURLEncoding.DecodeString(text); err == nil {
			f.Add(string(outer))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, text := range []string{text, base64.RawURLEncoding.EncodeToString([]byte(text))} {
			key, err := license.Parse(text)
			if err == nil {
				err = key.Verify(keys)
			}
			if daybook.CodeOf(err) != daybook.Invalid || !strings.HasPrefix(err.Error(), "invalid license_key: it ") {
				t.Fatalf("error is %v", err)
			}
			if len(text) > 24 && strings.Contains(err.Error(), text) {
				t.Errorf("the error repeats the key: %v", err)
			}
		}
	})
}

// FuzzParsePublicKeys looks for a key that panics when read or verified with.
func FuzzParsePublicKeys(f *testing.F) {
	vendor := licensetest.New(f)
	signed, err := license.Parse(licensetest.New(f).License(time.Unix(1e9, 0)))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{vendor.PublicKey(), strings.Fields(vendor.PublicKey())[1], "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "ssh-ed25519 AAAA", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := license.ParsePublicKeys(text)
		if err != nil {
			return
		}
		if len(keys) == 0 {
			t.Error("no key and no error")
		}
		_ = signed.Verify(keys) // must return
	})
}
