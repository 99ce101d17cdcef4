// Package licensetest makes license keys for tests, as a vendor does.
package licensetest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A Vendor signs licenses.
type Vendor struct {
	t      testing.TB
	signer ssh.Signer
}

// New returns a vendor with an RSA key of its own.
func New(t testing.TB) *Vendor {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return Of(t, key)
}

// Of returns a vendor that signs with key, which ssh.NewSignerFromKey takes.
func Of(t testing.TB, key any) *Vendor {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &Vendor{t, signer}
}

// PublicKey is the line of authorized_keys of the vendor's key.
func (v *Vendor) PublicKey() string {
	return string(ssh.MarshalAuthorizedKey(v.signer.PublicKey()))
}

// Info is what an ordinary license says that expires then.
func Info(expires time.Time) string {
	info, err := json.Marshal(map[string]any{
		"v": 1, "n": []int{1, 2, 3, 4, 5, 6, 7, 255}, "t": []string{"plan:enterprise", "true-up"}, "u": 250,
		"c": expires.AddDate(-1, 0, 0), "e": expires,
	})
	if err != nil {
		panic(err)
	}
	return string(info)
}

// License is an ordinary license key that expires then.
func (v *Vendor) License(expires time.Time) string {
	v.t.Helper()
	return v.Sign("", Info(expires))
}

// Sign returns a license key of info, signed with the algorithm of that name; ""
// is the first that the key has, ssh-rsa for RSA.
func (v *Vendor) Sign(algorithm, info string) string {
	v.t.Helper()
	signature, err := v.signer.Sign(rand.Reader, []byte(info))
	if algorithm != "" {
		signature, err = v.signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, []byte(info), algorithm)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	key, err := json.Marshal(map[string]any{"sig": signature, "info": []byte(info)})
	if err != nil {
		v.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(key)
}
