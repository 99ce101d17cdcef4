package operations

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"daybook.dev/internal/wal"
)

// tokenName is the file in the data directory that holds the token for changes
// where none is configured. Whoever may read it may change things.
const tokenName = "operations.token"

const tokenBytes = 32

// TokenFile returns the token of the data directory, and makes one where there is
// none. It is for the gateway, which alone writes there.
func TokenFile(data string) (string, error) {
	token, err := ReadTokenFile(data)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	var chance [tokenBytes]byte
	_, _ = rand.Read(chance[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(chance[:])
	if err := wal.ReplaceFile(wal.OS{}, filepath.Join(data, tokenName), []byte(token+"\n")); err != nil {
		return "", fmt.Errorf("operations token: %w", err)
	}
	return token, nil
}

// ReadTokenFile returns the token of the data directory. Where there is none the
// error is fs.ErrNotExist.
func ReadTokenFile(data string) (string, error) {
	name := filepath.Join(data, tokenName)
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("operations token: %w", err)
	}
	if others := info.Mode().Perm() & 0o077; others != 0 {
		return "", fmt.Errorf("operations token: others may read or write %s (mode %04o): remove it, and the gateway makes a new one when it starts", name, info.Mode().Perm())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("operations token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return "", fmt.Errorf("operations token: %s holds no token of at least %d characters: remove it, and the gateway makes a new one when it starts",
			name, base64.RawURLEncoding.EncodedLen(tokenBytes))
	}
	return token, nil
}
