package keyring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"daybook.dev/gateway/internal/caller"
)

// Create adds a caller with a new key and returns the key, which nobody can find
// out again. Its Keys are overwritten.
func (r *Ring) Create(c Caller, now time.Time) (key string, made Key, err error) {
	if r.find(c.Name) >= 0 {
		return "", Key{}, fmt.Errorf("there is a caller %s: give it another key with --add, or take its keys away first with daybook keys revoke %s", c.Name, c.Name)
	}
	key, made = newKey(now)
	c.Keys = []Key{made}
	all := append(slices.Clone(*r), c)
	if err := all.check(); err != nil {
		return "", Key{}, err
	}
	*r = all
	return key, made, nil
}

// maxKeys is how many keys a caller may have. Two are enough to change them.
const maxKeys = 8

// Add gives a caller another key, beside those it has, and returns both.
func (r *Ring) Add(name string, now time.Time) (c Caller, key string, made Key, err error) {
	i := r.find(name)
	if i < 0 {
		return c, "", Key{}, fmt.Errorf("there is no caller %s: make it without --add", name)
	}
	if len((*r)[i].Keys) >= maxKeys {
		return c, "", Key{}, fmt.Errorf("caller %s has %d keys: revoke one first", name, maxKeys)
	}
	key, made = newKey(now)
	(*r)[i].Keys = append((*r)[i].Keys, made)
	return (*r)[i], key, made, nil
}

func newKey(now time.Time) (string, Key) {
	key, hash := caller.NewKey()
	return key, Key{Hash: hash.String(), Last4: key[len(key)-4:], Created: now.UTC().Truncate(time.Second)}
}

// A Revoked is a key that was taken away.
type Revoked struct {
	Caller string
	Key    Key
}

// leastID is how many digits of a hash name a key.
const leastID = 6

// Revoke takes away a caller with all its keys, by its name, or one key, by the
// first digits of its hash. A caller whose last key is taken away is gone.
func (r *Ring) Revoke(which string) ([]Revoked, error) {
	if i := r.find(which); i >= 0 {
		c := (*r)[i]
		*r = slices.Delete(*r, i, i+1)
		gone := make([]Revoked, len(c.Keys))
		for n, key := range c.Keys {
			gone[n] = Revoked{c.Name, key}
		}
		return gone, nil
	}
	i, n, err := r.key(which)
	if err != nil {
		return nil, err
	}
	c := &(*r)[i]
	gone := []Revoked{{c.Name, c.Keys[n]}}
	c.Keys = slices.Delete(c.Keys, n, n+1)
	if len(c.Keys) == 0 {
		*r = slices.Delete(*r, i, i+1)
	}
	return gone, nil
}

// key finds a key by the first digits of its hash.
func (r *Ring) key(id string) (at, n int, err error) {
	id, found := strings.ToLower(id), 0
	if len(id) < leastID {
		return 0, 0, fmt.Errorf("%q is neither a caller nor the id of a key: see daybook keys list", id)
	}
	for i := range *r {
		for k, key := range (*r)[i].Keys {
			if strings.HasPrefix(key.Hash, id) {
				at, n, found = i, k, found+1
			}
		}
	}
	switch found {
	case 1:
		return at, n, nil
	case 0:
		return 0, 0, fmt.Errorf("%q is neither a caller nor the id of a key: see daybook keys list", id)
	}
	return 0, 0, fmt.Errorf("%q begins several keys: write more of it", id)
}

// check returns what is wrong with the callers, nil for nothing.
func (r *Ring) check() error {
	return errors.Join(caller.Config{Rows: r.Rows()}.Problems()...)
}
