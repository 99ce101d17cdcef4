package license_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"daybook.dev/gateway/internal/caller/license"
	"daybook.dev/gateway/internal/caller/license/licensetest"
)

func TestAPublicKeyIsReadInEveryFormItIsKeptIn(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	wire, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(wire)))
	inPEM := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	signed := parse(t, licensetest.Of(t, private).License(expiry))
	for _, c := range []struct {
		name, text string
		keys       int
	}{
		{"authorized_keys", line, 1},
		{"with a comment and options", `no-pty ` + line + ` ann@example.com`, 1},
		{"several lines", "# ours\n" + line + "\n\n" + line + "\n", 2},
		{"wire form", base64.StdEncoding.EncodeToString(wire.Marshal()), 1},
		{"PKIX", inPEM("PUBLIC KEY", pkix), 1},
		{"PKCS 1", inPEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&private.PublicKey)), 1},
		{"several in PEM", inPEM("PUBLIC KEY", pkix) + inPEM("PUBLIC KEY", pkix), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, err := license.ParsePublicKeys(c.text)
			if err != nil || len(keys) != c.keys {
				t.Fatalf("%d keys, %v", len(keys), err)
			}
			if keys[0].Fingerprint() != ssh.FingerprintSHA256(wire) {
				t.Errorf("fingerprint is %s", keys[0].Fingerprint())
			}
			if err := signed.Verify(keys); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNoPublicKeyIsRefusedWithoutRepeatingIt(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	inPEM := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n", "public key: there is none"},
		{"words", "canary-key", "public key: line 1: is neither a line of authorized_keys nor base64"},
		{"base64 of something", "Y2FuYXJ5LWtleQ==", "public key: line 1: is base64, but not of a public key"},
		{"a private key", inPEM("PRIVATE KEY", secret), "public key: this is a private key: give its public half, and keep this one where licenses are made"},
		{"a certificate", inPEM("CERTIFICATE", odd), "public key: PEM holds something other than a public key"},
		{"broken PEM", "-----BEGIN PUBLIC KEY-----\ncanary", "public key: is not PEM"},
		{"PEM of something", inPEM("PUBLIC KEY", []byte("canary")), "public key: PEM holds a public key that cannot be read"},
		{"a curve that SSH does not have", inPEM("PUBLIC KEY", odd), "public key: PEM holds a public key of a kind that SSH does not have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := license.ParsePublicKeys(c.text); err == nil || err.Error() != c.want {
				t.Errorf("error is %v, want %s", err, c.want)
			}
		})
	}
}
