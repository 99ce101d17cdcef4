// Package license reads and verifies the license keys by which instances of a
// product prove who they are: what their vendor signed, with SSH's signatures.
// What it reads comes from anybody, before anything is proved.
package license

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"daybook.dev"
)

// Reason is what every license key is refused with.
const Reason = "invalid_license_key"

// maxBytes is many times a real key, which has about a thousand bytes.
const maxBytes = 16 << 10

// A Key is a license key that could be read. It proves nothing until Verify has
// returned nil.
type Key struct {
	Info Info

	signed    []byte // the info as it was signed
	signature *ssh.Signature
}

// An Info is what a license says.
type Info struct {
	Version int // of this format
	Tags    []string
	Users   uint
	Created time.Time
	Expires time.Time // zero = the license does not say
}

// nonceBytes makes two licenses of the same content differ.
const nonceBytes = 8

// Parse reads a license key: base64 of JSON of a signature and what it signs.
// Blanks and line breaks are ignored. Nil means the key is well formed. An error
// is safe to show to the caller and never holds any of the key.
func Parse(text string) (*Key, error) {
	if len(text) > maxBytes {
		return nil, invalid("has more than 16 KiB")
	}
	outer, err := base64.RawURLEncoding.DecodeString(compact(text))
	if err != nil {
		return nil, invalid("is not base64 in the URL alphabet without padding")
	}
	var parts struct {
		Signature *struct {
			Format string `json:"Format"`
			Blob   []byte `json:"Blob"`
			Rest   []byte `json:"Rest"`
		} `json:"sig"`
		Info []byte `json:"info"`
	}
	switch err := json.Unmarshal(outer, &parts); {
	case err != nil:
		return nil, invalid("does not hold a signature and an info as JSON")
	case parts.Signature == nil || len(parts.Signature.Blob) == 0:
		return nil, invalid("has no signature")
	case len(parts.Info) == 0:
		return nil, invalid("has no info")
	}
	info, err := parseInfo(parts.Info)
	if err != nil {
		return nil, err
	}
	return &Key{Info: info, signed: parts.Info, signature: (*ssh.Signature)(parts.Signature)}, nil
}

func parseInfo(text []byte) (Info, error) {
	var info struct {
		Version int       `json:"v"`
		Nonce   []int     `json:"n"`
		Tags    []string  `json:"t"`
		Users   uint      `json:"u"`
		Created time.Time `json:"c"`
		Expires time.Time `json:"e"`
	}
	if err := json.Unmarshal(text, &info); err != nil || bytes.Equal(text, []byte("null")) {
		return Info{}, invalid("has an info that cannot be read")
	}
	if len(info.Nonce) != nonceBytes {
		return Info{}, invalid("has an info whose n is not 8 numbers")
	}
	for _, n := range info.Nonce {
		if n < 0 || n > 255 {
			return Info{}, invalid("has an info whose n is not 8 bytes")
		}
	}
	return Info{info.Version, info.Tags, info.Users, info.Created, info.Expires}, nil
}

// Verify returns nil when one of the public keys has signed k.
func (k *Key) Verify(keys []PublicKey) error {
	if len(keys) == 0 {
		return invalid("cannot be verified: no public key is configured")
	}
	for _, key := range keys {
		if key.key.Verify(k.signed, k.signature) == nil {
			return nil
		}
	}
	return invalid("is not signed by a key that is trusted here")
}

// Expired returns an error when the license has ended at now, or does not say
// when it does.
func (k *Key) Expired(now time.Time) error {
	switch {
	case k.Info.Expires.IsZero():
		return invalid("does not say when it expires")
	case !now.Before(k.Info.Expires):
		return invalid("has expired")
	}
	return nil
}

// Hash is the SHA-256 of a license key in hexadecimal, by which it is stored and
// delivered. Blanks and line breaks do not count, so that a key has one hash
// however it was pasted.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(compact(text)))
	return hex.EncodeToString(sum[:])
}

// compact returns the text without blanks and line breaks.
func compact(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// invalid never quotes what was read: a license key must reach no log.
func invalid(what string) error {
	return &daybook.Error{Code: daybook.Invalid, Field: "license_key", Reason: Reason, Message: "invalid license_key: it " + what}
}
