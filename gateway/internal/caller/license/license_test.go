package license_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller/license"
	"daybook.dev/gateway/internal/caller/license/licensetest"
)

var expiry = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func parse(t *testing.T, text string) *license.Key {
	t.Helper()
	key, err := license.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicKeys(t *testing.T, texts ...string) []license.PublicKey {
	t.Helper()
	keys, err := license.ParsePublicKeys(strings.Join(texts, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestALicenseSaysWhatItsVendorSigned(t *testing.T) {
	vendor := licensetest.New(t)
	key := parse(t, vendor.License(expiry))
	if err := key.Verify(publicKeys(t, vendor.PublicKey())); err != nil {
		t.Error(err)
	}
	info := key.Info
	if info.Version != 1 || info.Users != 250 || strings.Join(info.Tags, " ") != "plan:enterprise true-up" ||
		!info.Created.Equal(expiry.AddDate(-1, 0, 0)) || !info.Expires.Equal(expiry) {
		t.Errorf("info is %+v", info)
	}
}

func TestEverySignatureThatSSHMakesVerifies(t *testing.T) {
	rsaVendor := licensetest.New(t)
	for _, algorithm := range []string{ssh.KeyAlgoRSA, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512} {
		t.Run(algorithm, func(t *testing.T) {
			key := parse(t, rsaVendor.Sign(algorithm, licensetest.Info(expiry)))
			if err := key.Verify(publicKeys(t, rsaVendor.PublicKey())); err != nil {
				t.Error(err)
			}
		})
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []any{ed, ec} {
		vendor := licensetest.Of(t, private)
		if err := parse(t, vendor.License(expiry)).Verify(publicKeys(t, vendor.PublicKey())); err != nil {
			t.Errorf("%T: %v", private, err)
		}
	}
}

func TestAnyOfSeveralPublicKeysIsEnough(t *testing.T) {
	old, current, stranger := licensetest.New(t), licensetest.New(t), licensetest.New(t)
	trusted := publicKeys(t, "# two, while the first is being replaced", old.PublicKey(), current.PublicKey())
	for name, vendor := range map[string]*licensetest.Vendor{"old": old, "current": current} {
		if err := parse(t, vendor.License(expiry)).Verify(trusted); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused(t, parse(t, stranger.License(expiry)).Verify(trusted), "is not signed by a key that is trusted here")
	refused(t, parse(t, old.License(expiry)).Verify(nil), "cannot be verified: no public key is configured")
}

func TestBlanksAndLineBreaksDoNotCount(t *testing.T) {
	vendor := licensetest.New(t)
	text := vendor.License(expiry)
	pasted := "  " + text[:70] + "\r\n\t" + text[70:140] + " " + text[140:] + "\n"
	if err := parse(t, pasted).Verify(publicKeys(t, vendor.PublicKey())); err != nil {
		t.Error(err)
	}
	if license.Hash(pasted) != license.Hash(text) || len(license.Hash(text)) != 64 {
		t.Errorf("hashes are %s and %s", license.Hash(pasted), license.Hash(text))
	}
	if got := license.Hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("hash of abc is %s", got)
	}
}

func TestALicenseExpiresAtItsMoment(t *testing.T) {
	vendor := licensetest.New(t)
	key := parse(t, vendor.License(expiry))
	if err := key.Expired(expiry.Add(-time.Nanosecond)); err != nil {
		t.Error(err)
	}
	refused(t, key.Expired(expiry), "has expired")
	endless := parse(t, vendor.Sign("", `{"v":1,"n":[1,2,3,4,5,6,7,8]}`))
	refused(t, endless.Expired(expiry), "does not say when it expires")
}

func TestWhatIsChangedNoLongerVerifies(t *testing.T) {
	vendor := licensetest.New(t)
	outer, err := base64.RawURLEncoding.DecodeString(vendor.License(expiry))
	if err != nil {
		t.Fatal(err)
	}
	info := base64.StdEncoding.EncodeToString([]byte(licensetest.Info(expiry)))
	more := base64.StdEncoding.EncodeToString([]byte(strings.Replace(licensetest.Info(expiry), "250", "999", 1)))
	forged := strings.Replace(string(outer), info, more, 1)
	if forged == string(outer) {
		t.Fatal("nothing was forged")
	}
	key := parse(t, base64.RawURLEncoding.EncodeToString([]byte(forged)))
	if key.Info.Users != 999 {
		t.Fatalf("forged users are %d", key.Info.Users)
	}
	refused(t, key.Verify(publicKeys(t, vendor.PublicKey())), "is not signed by a key that is trusted here")
}

func TestWhatIsNoLicenseIsRefused(t *testing.T) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	ofInfo := func(info string) string {
		return encode(`{"sig":{"Format":"ssh-rsa","Blob":"AAAA","Rest":null},"info":"` + base64.StdEncoding.EncodeToString([]byte(info)) + `"}`)
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "does not hold a signature and an info as JSON"},
		{"too long", strings.Repeat("A", 16<<10+1), "has more than 16 KiB"},
		{"no base64", "!!!", "is not base64 in the URL alphabet without padding"},
		{"padding", encode("{}") + "==", "is not base64 in the URL alphabet without padding"},
		{"no JSON", encode("sig"), "does not hold a signature and an info as JSON"},
		{"more than JSON", encode(`{} {}`), "does not hold a signature and an info as JSON"},
		{"JSON null", encode("null"), "has no signature"},
		{"no signature", encode(`{"info":"e30="}`), "has no signature"},
		{"a null signature", encode(`{"sig":null,"info":"e30="}`), "has no signature"},
		{"an empty signature", encode(`{"sig":{},"info":"e30="}`), "has no signature"},
		{"no info", encode(`{"sig":{"Format":"ssh-rsa","Blob":"AAAA"}}`), "has no info"},
		{"a null info", encode(`{"sig":{"Format":"ssh-rsa","Blob":"AAAA"},"info":null}`), "has no info"},
		{"an info of null", ofInfo("null"), "has an info that cannot be read"},
		{"an info that is no JSON", ofInfo("{"), "has an info that cannot be read"},
		{"an info of another shape", ofInfo(`[]`), "has an info that cannot be read"},
		{"negative users", ofInfo(`{"u":-1}`), "has an info that cannot be read"},
		{"a date that is none", ofInfo(`{"e":"tomorrow"}`), "has an info that cannot be read"},
		{"no n", ofInfo(`{"v":1}`), "has an info whose n is not 8 numbers"},
		{"a short n", ofInfo(`{"n":[1,2,3]}`), "has an info whose n is not 8 numbers"},
		{"a long n", ofInfo(`{"n":[1,2,3,4,5,6,7,8,9]}`), "has an info whose n is not 8 numbers"},
		{"an n of other numbers", ofInfo(`{"n":[1,2,3,4,5,6,7,256]}`), "has an info whose n is not 8 bytes"},
		{"a text for n", ofInfo(`{"n":"AQIDBAUGBwg="}`), "has an info that cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := license.Parse(c.text)
			refused(t, err, c.want)
		})
	}
}

func TestASignatureOfAnotherKindIsRefused(t *testing.T) {
	vendor := licensetest.New(t)
	for _, format := range []string{"", "ssh-dss", "ssh-ed25519", "rsa-sha2-1024", "none"} {
		outer := `{"sig":{"Format":"` + format + `","Blob":"AAAA","Rest":"AAAA"},"info":"` +
			base64.StdEncoding.EncodeToString([]byte(licensetest.Info(expiry))) + `"}`
		key := parse(t, base64.RawURLEncoding.EncodeToString([]byte(outer)))
		refused(t, key.Verify(publicKeys(t, vendor.PublicKey())), "is not signed by a key that is trusted here")
	}
}

// refused wants the error of a license key that says so, in the contract's words.
func refused(t *testing.T, err error, why string) {
	t.Helper()
	e, ok := errors.AsType[*daybook.Error](err)
	if !ok || e.Code != daybook.Invalid || e.Reason != license.Reason || e.Field != "license_key" ||
		e.Message != "invalid license_key: it "+why {
		t.Errorf("error is %#v, want one that says: it %s", err, why)
	}
}
