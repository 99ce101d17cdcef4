package caller

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// keyPrefix makes keys known to people, and to programs that search for secrets
// where none should be.
const keyPrefix = "dbk_"

// NewKey returns a key of 256 bits, which is shown once, and its hash, which is
// what is kept.
func NewKey() (key string, hash Hash) {
	var chance [32]byte
	_, _ = rand.Read(chance[:]) // never fails
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(chance[:])
	return key, hashOf(key)
}

// ParseHash reads a SHA-256 in hexadecimal. The error does not hold the text: it
// may be the secret itself.
func ParseHash(text string) (Hash, error) {
	decoded, err := hex.DecodeString(text)
	if err != nil || len(decoded) != len(Hash{}) {
		if strings.HasPrefix(text, keyPrefix) {
			return Hash{}, errors.New("is a key, and must be its hash: printf %s KEY | sha256sum")
		}
		return Hash{}, errors.New("must be a SHA-256: 64 hexadecimal digits, as printf %s SECRET | sha256sum writes them")
	}
	return Hash(decoded), nil
}

// String writes the hash as ParseHash reads it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }
