package caller

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Bounds of what one password may cost. A hash from a file must not be able to
// take the machine.
const (
	maxBcryptCost     = 14              // about a second
	maxBcryptPassword = 72              // bytes; bcrypt does not look at more
	maxArgonMemory    = 256 << 10       // KiB
	maxArgonWork      = 4 * (256 << 10) // KiB times rounds
)

// A slowHash is the hash of a password that somebody chose.
type slowHash struct {
	text  string // as configured
	argon *argon // nil = bcrypt
}

// argon is what an argon2id hash says.
type argon struct {
	memory, rounds uint32
	threads        uint8
	salt, sum      []byte
}

var errSlowHash = errors.New("is neither a bcrypt hash ($2b$…) nor an argon2id one ($argon2id$v=19$m=…,t=…,p=…$SALT$HASH)")

// parseSlowHash reads a hash. The error does not hold it.
func parseSlowHash(text string) (slowHash, error) {
	if strings.HasPrefix(text, "$argon2id$") {
		a, err := parseArgon(text)
		return slowHash{text: text, argon: a}, err
	}
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil {
		return slowHash{}, errSlowHash
	}
	if cost > maxBcryptCost {
		return slowHash{}, fmt.Errorf("has cost %d: more than %d takes too long for every new connection of the caller", cost, maxBcryptCost)
	}
	return slowHash{text: text}, nil
}

func parseArgon(text string) (*argon, error) {
	parts := strings.Split(text, "$") // "", argon2id, v=19, m=…,t=…,p=…, salt, sum
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, errSlowHash
	}
	var a argon
	if n, err := fmt.Sscanf(parts[3]+"$", "m=%d,t=%d,p=%d$", &a.memory, &a.rounds, &a.threads); err != nil || n != 3 {
		return nil, errSlowHash
	}
	var errSalt, errSum error
	a.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	a.sum, errSum = base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errSum != nil || len(a.salt) < 8 || len(a.sum) < 16 || len(a.salt)+len(a.sum) > 256 ||
		a.memory == 0 || a.rounds == 0 || a.threads == 0 {
		return nil, errSlowHash
	}
	if a.memory > maxArgonMemory || uint64(a.memory)*uint64(a.rounds) > maxArgonWork {
		return nil, fmt.Errorf("takes too much: m (KiB) may be at most %d, and m times t at most %d", maxArgonMemory, maxArgonWork)
	}
	return &a, nil
}

// opens reports whether the password is the one of the hash. It takes as long as
// the hash was made to take.
func (h slowHash) opens(password string) bool {
	if h.argon == nil {
		err := bcrypt.CompareHashAndPassword([]byte(h.text), []byte(password))
		return err == nil && len(password) <= maxBcryptPassword
	}
	a := h.argon
	sum := argon2.IDKey([]byte(password), a.salt, a.rounds, a.memory, a.threads, uint32(len(a.sum)))
	return subtle.ConstantTimeCompare(sum, a.sum) == 1
}
