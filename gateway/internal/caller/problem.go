package caller

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"daybook.dev/gateway/internal/caller/license"
	"daybook.dev/gateway/internal/nearest"
)

// A RowError is something wrong with a row. Its text holds no secret and no hash.
type RowError struct {
	Row    int    // from 0
	Caller string // the row's name
	Member string // at fault, as the configuration spells it: "basic.user"; "" = the row
	Err    error
}

// Error renders "caller checkout: basic.user: …".
func (p *RowError) Error() string {
	text := "caller " + p.Caller
	if p.Caller == "" {
		text = fmt.Sprintf("caller %d", p.Row+1)
	}
	if p.Member != "" {
		text += ": " + p.Member
	}
	return text + ": " + p.Err.Error()
}

// Unwrap returns the cause.
func (p *RowError) Unwrap() error { return p.Err }

// Protocols are the names that rows may list.
var Protocols = []string{"http", "logevent", "telemetry-gateway", "activity", "first-party", "otlp", "segment", "cloudevents"}

// A caller's name labels metrics, is a word on the command line and the first
// part of what event ids are unique in.
var callerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// ValidName reports whether a caller may be called that.
func ValidName(name string) bool { return callerName.MatchString(name) && name != AnonymousName }

// Enforces reports whether credentials are asked for.
func (c Config) Enforces() bool {
	return c.Enforce || slices.ContainsFunc(c.Rows, func(r Row) bool { return r.Name != AnonymousName })
}

// Problems returns everything that is wrong with c, each a *RowError.
func (c Config) Problems() []error {
	var problems []error
	seen := seen{names: map[string]bool{}, users: map[string]string{}, keys: map[Hash]string{}}
	for i := range c.Rows {
		row := &c.Rows[i]
		note := func(member string, err error) {
			problems = append(problems, &RowError{Row: i, Caller: row.Name, Member: member, Err: err})
		}
		row.check(note)
		seen.check(row, note)
	}
	return problems
}

// check notes what is wrong with a row by itself.
func (r *Row) check(note func(member string, err error)) {
	if !callerName.MatchString(r.Name) {
		note("name", errors.New(`must have letters, digits, ".", "_" and "-", begin with a letter or a digit, and be at most 63 long`))
	}
	switch proved := r.proved(); {
	case r.Name == AnonymousName && proved:
		note("", errors.New("is for those who prove nothing: it has bounds and no proofs"))
	case r.Name != AnonymousName && !proved && r.Instances == nil:
		note("", errors.New("has no proof, so nobody could be this caller: make a key with daybook keys create, or add basic, mtls, jwt or introspection"))
	}
	if r.Basic != nil {
		r.Basic.check(note)
	}
	if r.Certificate != nil && r.Certificate.isZero() {
		note("mtls", errors.New("must say which certificates: subject_cn, dns, uri or spki_sha256"))
	}
	if r.Instances != nil {
		r.Instances.check(note)
	}
	for _, p := range r.Protocols {
		if !slices.Contains(Protocols, p) {
			note("protocols", wrongProtocol(p))
		}
	}
	if slices.Contains(r.Events, "") {
		note("events", errors.New("a pattern is empty: write * for all"))
	}
	if r.Quota.Events < 0 || r.Quota.Bytes < 0 || r.Quota.Burst < 0 {
		note("quota", errors.New("must not be negative"))
	}
}

func (r *Row) proved() bool {
	return len(r.Keys) > 0 || r.Basic != nil || r.Certificate != nil || r.Tokens != nil
}

func (i *Instances) check(note func(member string, err error)) {
	if _, err := i.publicKeys(); err != nil {
		note("instances.license_keys", err)
	}
	if !i.Unlicensed && len(i.LicenseKeys) == 0 {
		note("instances", errors.New("lets nobody in: add license_keys, or unlicensed: true"))
	}
}

// publicKeys reads the keys that sign licenses.
func (i *Instances) publicKeys() ([]license.PublicKey, error) {
	var all []license.PublicKey
	for _, text := range i.LicenseKeys {
		keys, err := license.ParsePublicKeys(text)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

func (b *Basic) check(note func(member string, err error)) {
	if b.User == "" || strings.Contains(b.User, ":") {
		note("basic.user", errors.New(`must not be empty, nor have ":" in it`))
	}
	switch generated := b.SHA256 != (Hash{}); {
	case generated && b.Slow != "":
		note("basic", errors.New("has two passwords: a user has one"))
	case !generated && b.Slow == "":
		note("basic", errors.New("has no password: add password_bcrypt or password_argon2id, or password_sha256 for one that was generated"))
	case !generated:
		if _, err := parseSlowHash(b.Slow); err != nil {
			note("basic", fmt.Errorf("the hash of the password %w", err))
		}
	}
}

func wrongProtocol(name string) error {
	text := fmt.Sprintf("%q is not one of: %s", name, strings.Join(Protocols, ", "))
	if near := nearest.Name(name, slices.Values(Protocols)); near != "" {
		text += "; did you mean " + near + "?"
	}
	return errors.New(text)
}

// seen is what rows must not have in common.
type seen struct {
	names map[string]bool
	users map[string]string // whose
	keys  map[Hash]string   // whose
}

// check notes what a row has in common with those before it.
func (s *seen) check(r *Row, note func(member string, err error)) {
	if s.names[r.Name] {
		note("name", errors.New("there are two callers of this name"))
	}
	s.names[r.Name] = true
	for _, key := range r.Keys {
		if other, twice := s.keys[key]; twice {
			note("key_sha256", fmt.Errorf("caller %s has this key too: nobody could tell which of them it is", other))
		}
		s.keys[key] = r.Name
	}
	if r.Basic == nil {
		return
	}
	if other, twice := s.users[r.Basic.User]; twice {
		note("basic.user", fmt.Errorf("caller %s has this user too", other))
	}
	s.users[r.Basic.User] = r.Name
}
