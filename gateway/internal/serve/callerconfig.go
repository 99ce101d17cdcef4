package serve

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"daybook.dev/gateway/internal/caller"
)

// A Caller is somebody who may send events. Its keys stand in the file below
// callers, each caller an item of the list; docs/callers.md explains them.
type Caller struct {
	Name string `usage:"the caller's name: label of metrics, and what its event ids are unique within"`

	KeySha256 List `usage:"SHA-256 of its key in hexadecimal; two while a key is being changed"`
	Basic     CallerBasic
	MTLS      CallerMTLS

	JWT           CallerJWT
	Introspection CallerIntrospection

	Protocols List `usage:"protocols it may send with (default all)"`
	Events    List `usage:"names of events it may send, in which * stands for any text (default all)"`
	Quota     CallerQuota

	Services  List `usage:"ids of the managed services that may send as this caller with its tokens (default all)"`
	Public    bool `default:"false" usage:"the product's own site or a managed service: marketing_tracking may leave"`
	Instances CallerInstances
}

// CallerBasic is a user and one hash of its password.
type CallerBasic struct {
	User             string `usage:"user of HTTP Basic authentication"`
	PasswordSha256   Secret `usage:"SHA-256 of a password that was generated"`
	PasswordBcrypt   Secret `usage:"bcrypt hash of a password"`
	PasswordArgon2id Secret `usage:"argon2id hash of a password, as $argon2id$v=19$m=…,t=…,p=…$SALT$HASH"`
}

// CallerMTLS says which verified client certificates are the caller's. All that
// is set must hold.
type CallerMTLS struct {
	SubjectCN  string `usage:"common name of the certificate's subject"`
	DNS        string `usage:"one of the certificate's DNS names"`
	URI        string `usage:"one of the certificate's URIs, such as spiffe://example.com/checkout"`
	SpkiSha256 List   `usage:"SHA-256 of the certificate's public key (SubjectPublicKeyInfo), or several"`
}

// CallerQuota is how much the caller may send.
type CallerQuota struct {
	Events Rate          `usage:"most events, such as 1000/s (default without bound)"`
	Bytes  ByteRate      `usage:"most bytes of requests, such as 1MiB/s (default without bound)"`
	Burst  time.Duration `default:"10s" usage:"how much may come at once, as the time in which it is earned"`
}

// CallerInstances says which instances of a product send as the caller, through
// the telemetry gateway's protocol.
type CallerInstances struct {
	Unlicensed    bool `default:"false" usage:"instances without a license"`
	LicenseKeys   List `usage:"public keys of which one has signed the license of an instance"`
	EnforceExpiry bool `default:"false" usage:"refuse licenses that have expired"`
}

// CallerKeys lists the keys that a caller can have.
func CallerKeys() []Key { return callerKeys() }

// callersKey is the key below which the callers stand, each an item of a list.
const callersKey = "callers"

// key is the full name of a caller's key: "callers.checkout.basic.user".
func (c *Caller) key(name string) string {
	return strings.Join([]string{callersKey, c.Name, name}, ".")
}

// row is the caller as the registry takes it. The errors name the caller's keys.
func (c *Caller) row() (caller.Row, []error) {
	var problems []error
	row := caller.Row{
		Name: c.Name, Protocols: c.Protocols.items(), Events: c.Events.items(),
		Public: c.Public, Services: c.Services.items(),
		Keys: hashes("key_sha256", c.KeySha256, &problems),
		Quota: caller.Quota{
			Events: c.Quota.Events.PerSecond(), Bytes: c.Quota.Bytes.PerSecond(), Burst: c.Quota.Burst,
		},
	}
	row.Basic = c.Basic.row(&problems)
	if matches := c.tokens(&problems); len(matches) > 0 {
		row.Tokens = matches
	}
	if c.MTLS != (CallerMTLS{}) {
		row.Certificate = &caller.Certificate{
			CommonName: c.MTLS.SubjectCN, DNS: c.MTLS.DNS, URI: c.MTLS.URI,
			Keys: hashes("mtls.spki_sha256", c.MTLS.SpkiSha256, &problems),
		}
	}
	if i := c.Instances; i != (CallerInstances{}) {
		row.Instances = &caller.Instances{Unlicensed: i.Unlicensed, LicenseKeys: i.LicenseKeys.items(), EnforceExpiry: i.EnforceExpiry}
	}
	return row, problems
}

func (b *CallerBasic) row(problems *[]error) *caller.Basic {
	if *b == (CallerBasic{}) {
		return nil
	}
	row := &caller.Basic{User: b.User, Slow: string(b.PasswordBcrypt)}
	if b.PasswordArgon2id != "" {
		if row.Slow != "" {
			*problems = append(*problems, &keyError{"basic", errors.New("has two passwords: a user has one")})
		}
		row.Slow = string(b.PasswordArgon2id)
	}
	if b.PasswordSha256 != "" {
		hash, err := caller.ParseHash(string(b.PasswordSha256))
		if err != nil {
			*problems = append(*problems, &keyError{"basic.password_sha256", err})
			hash[0] = 1 // one problem is enough: it is not said to be missing as well
		}
		row.SHA256 = hash
	}
	return row
}

func hashes(key string, texts List, problems *[]error) []caller.Hash {
	var all []caller.Hash
	for _, text := range texts.items() {
		hash, err := caller.ParseHash(text)
		if err != nil {
			*problems = append(*problems, &keyError{key, err})
			continue
		}
		all = append(all, hash)
	}
	return all
}

// A keyError is about one key of a caller.
type keyError struct {
	key string
	err error
}

func (e *keyError) Error() string { return e.key + ": " + e.err.Error() }
func (e *keyError) Unwrap() error { return e.err }

// callers returns the callers of the configuration and of the file of callers,
// and what is wrong with them, each with its place.
func (c Config) callers(from Origins) (caller.Config, []error) {
	var problems []error
	all := caller.Config{AllowAnonymous: c.AllowAnonymous, Enforce: c.CallersFile != "", ServiceScopes: c.Tokens.ServiceScopes.items()}
	problems = append(problems, c.tokenProblems(from)...)
	for i := range c.Callers {
		row, wrong := c.Callers[i].row()
		for _, err := range wrong {
			problems = append(problems, placedCaller(&c.Callers[i], from, err))
		}
		all.Rows = append(all.Rows, row)
	}
	if len(problems) > 0 {
		return all, problems // what else seems to be missing may be what is wrong here
	}
	all.Rows = append(all.Rows, c.Kept.Rows()...)
	for _, err := range all.Problems() {
		problems = append(problems, c.placeOfProblem(from, err))
	}
	return all, problems
}

// placeOfProblem puts before a problem where its row stands.
func (c Config) placeOfProblem(from Origins, err error) error {
	p, ok := errors.AsType[*caller.RowError](err)
	if !ok {
		return err
	}
	if p.Row >= len(c.Callers) {
		return fmt.Errorf("callers_file: %s: %w", c.CallersFile, err)
	}
	cause := p.Err
	if p.Member != "" {
		cause = &keyError{p.Member, p.Err}
	}
	return placedCaller(&c.Callers[p.Row], from, cause)
}

// placedCaller names the caller that an error is about, and the key where it is
// known, with where it was set.
func placedCaller(c *Caller, from Origins, err error) error {
	at := from[callersKey+"."+c.Name]
	if e, ok := errors.AsType[*keyError](err); ok && from[c.key(e.key)] != "" {
		at = from[c.key(e.key)]
	}
	if at == "" {
		return fmt.Errorf("%s.%s: %w", callersKey, c.Name, err)
	}
	return fmt.Errorf("%s: %s.%s: %w", at, callersKey, c.Name, err)
}
