// Package keyring is the file of callers that `daybook keys` keeps and the gateway
// reads (callers_file): a JSON object per line, a caller each, with the hashes of
// its keys and what it may do. docs/callers.md describes it.
package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"daybook.dev/gateway/internal/caller"
)

// maxBytes is far above any real file: some 30,000 callers.
const maxBytes = 16 << 20

// A Ring is the callers of a file, in its order.
type Ring []Caller

// A Caller is one line.
type Caller struct {
	Name      string   `json:"name"`
	Keys      []Key    `json:"keys"`
	Protocols []string `json:"protocols,omitzero"` // empty = all
	Events    []string `json:"events,omitzero"`    // patterns; empty = all
	Quota     *Quota   `json:"quota,omitzero"`     // nil = without bound
	Public    bool     `json:"public,omitzero"`    // see [caller.Row]
}

// A Key is one of a caller's keys. The key itself is nowhere.
type Key struct {
	Hash    string    `json:"sha256"`
	Last4   string    `json:"last4"` // its last characters, for people to know it by
	Created time.Time `json:"created"`
}

// ID names the key on the command line: the first digits of its hash.
func (k Key) ID() string { return k.Hash[:min(8, len(k.Hash))] }

// A Quota is how much a caller may send. Zero members are without bound.
type Quota struct {
	Events float64 `json:"events_per_second,omitzero"`
	Bytes  float64 `json:"bytes_per_second,omitzero"`
	Burst  float64 `json:"burst_seconds,omitzero"`
}

// Parse reads a file. Name is what errors call it.
func Parse(name string, text []byte) (Ring, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("%s: is larger than 16 MiB, which is no file of callers", name)
	}
	var ring Ring
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		c, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		ring = append(ring, c)
	}
	return ring, nil
}

// parseLine reads one caller. It knows every member: a misspelt bound would be
// none.
func parseLine(line []byte) (Caller, error) {
	var c Caller
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return c, fmt.Errorf("is no caller: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("something follows the caller")
	}
	for i, key := range c.Keys {
		if _, err := caller.ParseHash(key.Hash); err != nil {
			return c, fmt.Errorf("caller %s: keys[%d].sha256 %w", c.Name, i, err)
		}
	}
	return c, nil
}

// append writes the callers as Parse reads them.
func (r *Ring) append(dst []byte) ([]byte, error) {
	for i := range *r {
		line, err := json.Marshal(&(*r)[i])
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, line...), '\n')
	}
	return dst, nil
}

// Rows are the callers as the gateway takes them. The hashes are valid: Parse has
// read them, or a key was made here.
func (r *Ring) Rows() []caller.Row {
	rows := make([]caller.Row, len(*r))
	for i := range *r {
		c := &(*r)[i]
		rows[i] = caller.Row{Name: c.Name, Protocols: c.Protocols, Events: c.Events, Public: c.Public}
		for _, key := range c.Keys {
			hash, _ := caller.ParseHash(key.Hash)
			rows[i].Keys = append(rows[i].Keys, hash)
		}
		if q := c.Quota; q != nil {
			rows[i].Quota = caller.Quota{Events: q.Events, Bytes: q.Bytes, Burst: time.Duration(q.Burst * float64(time.Second))}
		}
	}
	return rows
}

// find returns the index of a caller, -1 for none.
func (r *Ring) find(name string) int {
	return slices.IndexFunc(*r, func(c Caller) bool { return c.Name == name })
}
