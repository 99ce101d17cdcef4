package evidence

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"daybook.dev/internal/wal"
)

// KeyName is the name in the keys this package makes.
const KeyName = "daybook.dev/evidence"

// NewKey writes a new signing key to a file that only its owner can read, and
// returns the key that checks its signatures, which is no secret. It fails with
// os.ErrExist when there is a file of that name.
func NewKey(name string) (verifier string, err error) {
	secret, verifier, err := note.GenerateKey(rand.Reader, KeyName)
	if err != nil {
		return "", err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if err := writeSynced(file, []byte(secret+"\n"+verifier+"\n")); err != nil {
		return "", err
	}
	return verifier, wal.OS{}.SyncDir(filepath.Dir(name))
}

// A Key signs checkpoints. Make one with NewKey, read it with ReadKey.
type Key struct {
	signer   note.Signer
	Verifier string // checks the signatures; no secret
}

// ReadKey reads a file made by NewKey: the signing key on the first line, the
// verifying key on the second.
func ReadKey(name string) (Key, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Key{}, err
	}
	secret, verifier, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	signer, err := note.NewSigner(strings.TrimSpace(secret))
	if err != nil {
		// The error of the library is a constant; the text of a key stays here.
		return Key{}, fmt.Errorf("%s: no signing key: %w", name, err)
	}
	k := Key{signer: signer, Verifier: strings.TrimSpace(verifier)}
	v, err := note.NewVerifier(k.Verifier)
	if err != nil || v.KeyHash() != signer.KeyHash() || v.Name() != signer.Name() {
		return Key{}, fmt.Errorf("%s: the second line is not the key that checks the first one's signatures", name)
	}
	return k, nil
}

// errSignature means that a text is not signed by the key that is trusted.
var errSignature = errors.New("not signed by the key")

// open returns the text of a signed note.
func open(signed []byte, verifier string) (string, error) {
	v, err := note.NewVerifier(strings.TrimSpace(verifier))
	if err != nil {
		return "", fmt.Errorf("verifying key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return "", fmt.Errorf("%w %s: %w", errSignature, v.Name(), err)
	}
	return n.Text, nil
}
