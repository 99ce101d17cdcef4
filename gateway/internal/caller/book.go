package caller

import (
	"crypto/subtle"
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller/license"
)

// A book is a Config as it is looked things up in. It never changes.
type book struct {
	edition                 uint64
	enforce, allowAnonymous bool

	anonymous    *account
	keys         map[Hash]*account
	users        map[string]*account
	certificates []*account
	tokens       []*account // in the order of the rows
	accounts     []*account // all, in the order of the rows

	serviceScopes []string

	// nobody is whom an unknown user's password is compared with.
	nobody *account
}

// An account is a row as requests meet it.
type account struct {
	row       *Row
	caller    Caller
	protocols map[string]bool // empty = all

	user     string
	password Hash     // where slow is empty
	slow     slowHash // of a chosen password

	tokens Verifier // nil = none

	licenseKeys []license.PublicKey // of which one has signed an instance's license
}

// newBook takes a Config without problems. The quotas are those of its callers.
func newBook(c Config, quotas map[string]*quota) *book {
	b := &book{
		enforce: c.Enforces(), allowAnonymous: c.AllowAnonymous,
		anonymous: &account{row: &Row{Name: AnonymousName}, caller: Anonymous},
		keys:      map[Hash]*account{}, users: map[string]*account{}, nobody: &account{},
		serviceScopes: c.ServiceScopes,
	}
	if len(b.serviceScopes) == 0 {
		b.serviceScopes = ServiceScopes
	}
	for i := range c.Rows {
		row := c.Rows[i]
		a := newAccount(&row, quotas[row.Name])
		b.accounts = append(b.accounts, a)
		if row.Name == AnonymousName {
			b.anonymous = a
			continue
		}
		b.add(a)
	}
	return b
}

// add enters the proofs of an account.
func (b *book) add(a *account) {
	for _, key := range a.row.Keys {
		b.keys[key] = a
	}
	if a.row.Certificate != nil {
		b.certificates = append(b.certificates, a)
	}
	if a.tokens != nil {
		b.tokens = append(b.tokens, a)
	}
	if a.user == "" {
		return
	}
	b.users[a.user] = a
	if b.nobody.slow.text == "" {
		b.nobody.slow = a.slow
	}
}

func newAccount(row *Row, q *quota) *account {
	a := &account{row: row, caller: Caller{Name: row.Name, Public: row.Public}, tokens: row.Tokens}
	if q != nil || len(row.Events) > 0 {
		a.caller.bounds = &bounds{events: row.Events, quota: q}
	}
	if len(row.Protocols) > 0 {
		a.protocols = map[string]bool{}
		for _, p := range row.Protocols {
			a.protocols[p] = true
		}
	}
	if row.Basic != nil {
		a.user, a.password = row.Basic.User, row.Basic.SHA256
		a.slow, _ = parseSlowHash(row.Basic.Slow) // read before; "" gives none
	}
	if row.Instances != nil {
		a.licenseKeys, _ = row.Instances.publicKeys() // read before
	}
	return a
}

// byKey returns whose key it is, nil for nobody's. What is looked up is a hash:
// the time it takes says nothing about a key.
func (b *book) byKey(key string) *account {
	sum := hashOf(key)
	a := b.keys[sum]
	if a == nil {
		return nil
	}
	for i := range a.row.Keys {
		if subtle.ConstantTimeCompare(a.row.Keys[i][:], sum[:]) == 1 {
			return a
		}
	}
	return nil
}

// certified returns whose certificate the connection of a request has shown. One
// that no row names proves nothing, and is no wrong credential either: where a
// mesh gives every connection one, most are not meant for the gateway.
func (b *book) certified(r *http.Request) *account {
	if len(b.certificates) == 0 {
		return nil
	}
	cert := certificateOf(r.TLS)
	if cert == nil {
		return nil
	}
	for _, a := range b.certificates {
		if a.row.Certificate.fits(cert) {
			return a
		}
	}
	return nil
}

// enter says whether the caller may use a protocol now.
func (a *account) enter(protocol string) *daybook.Error {
	if len(a.protocols) > 0 && !a.protocols[protocol] {
		return &daybook.Error{
			Code: daybook.Denied, Where: Where, Reason: ReasonProtocolNotAllowed,
			Message: "this caller may not send with this protocol",
		}
	}
	if a.caller.bounds == nil || a.caller.bounds.quota == nil {
		return nil
	}
	return overQuota(a.caller.bounds.quota.wait())
}
