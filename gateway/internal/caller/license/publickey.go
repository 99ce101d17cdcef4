package license

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A PublicKey verifies what its owner has signed.
type PublicKey struct{ key ssh.PublicKey }

// Fingerprint names the key as ssh-keygen does: "SHA256:…".
func (k PublicKey) Fingerprint() string { return ssh.FingerprintSHA256(k.key) }

// ParsePublicKeys reads one or more public keys: lines of an authorized_keys file,
// PEM, or the base64 of SSH's wire form alone. An error does not hold the text: it
// may be a private key that was given by mistake.
func ParsePublicKeys(text string) ([]PublicKey, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "-----BEGIN") {
		return parsePEM([]byte(text))
	}
	var keys []PublicKey
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("public key: line %d: %w", n+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("public key: there is none")
	}
	return keys, nil
}

// parseLine reads a line of authorized_keys, or only the base64 part of one.
func parseLine(line string) (PublicKey, error) {
	if wire, err := base64.StdEncoding.DecodeString(line); err == nil {
		key, err := ssh.ParsePublicKey(wire)
		if err != nil {
			return PublicKey{}, errors.New("is base64, but not of a public key")
		}
		return usable(key)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)) //nolint:dogsled // comment, options and rest say nothing about the key
	if err != nil {
		return PublicKey{}, errors.New("is neither a line of authorized_keys nor base64")
	}
	return usable(key)
}

func parsePEM(text []byte) ([]PublicKey, error) {
	var keys []PublicKey
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("public key: is not PEM")
		}
		key, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		keys, text = append(keys, key), rest
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (PublicKey, error) {
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return PublicKey{}, errors.New("this is a private key: give its public half, and keep this one where licenses are made")
		}
		return PublicKey{}, errors.New("PEM holds something other than a public key")
	}
	if err != nil {
		return PublicKey{}, errors.New("PEM holds a public key that cannot be read")
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return PublicKey{}, errors.New("PEM holds a public key of a kind that SSH does not have")
	}
	return usable(key)
}

// usable refuses what cannot have signed a license: certificates, and the keys of
// security tokens, whose signatures depend on more than the signed bytes.
func usable(key ssh.PublicKey) (PublicKey, error) {
	switch key.Type() {
	case ssh.KeyAlgoRSA, ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return PublicKey{key}, nil
	}
	return PublicKey{}, errors.New("is neither RSA, ECDSA nor Ed25519")
}
