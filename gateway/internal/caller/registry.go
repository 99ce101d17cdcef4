package caller

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daybook.dev"
)

// A Registry knows the callers of a gateway. It is safe for concurrent use. Nil
// lets everybody in as Anonymous.
type Registry struct {
	refused func(Refusal)
	now     func() time.Time
	vault   *vault
	book    atomic.Pointer[book]

	mu     sync.Mutex        // makes one step of a replacement
	quotas map[string]*quota // by caller; they outlive replacements
}

// Options are what a Registry needs besides its callers. The zero value works.
type Options struct {
	// Refused is told of every request that is turned away for who sent it, for
	// metrics and logs. Nil means nobody is.
	Refused func(Refusal)

	Now func() time.Time // nil = time.Now
}

// New returns a registry of the callers of c. The error joins everything that is
// wrong with it, each a *RowError.
func New(c Config, o Options) (*Registry, error) {
	r := &Registry{refused: o.Refused, now: o.Now, quotas: map[string]*quota{}}
	if r.now == nil {
		r.now = time.Now
	}
	if r.refused == nil {
		r.refused = func(Refusal) {}
	}
	r.vault = newVault(r.now)
	apply, err := r.Prepare(c)
	if err != nil {
		return nil, err
	}
	apply()
	return r, nil
}

// Prepare checks other callers and returns what puts them in the place of the
// present ones. Requests that are under way go on as they began; a caller of the
// same name has what is left of its quota. The error is as New's, and means that
// nothing will change.
func (r *Registry) Prepare(c Config) (apply func(), err error) {
	if problems := c.Problems(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keepQuotas(c)
		next := newBook(c, r.quotas)
		if before := r.book.Load(); before != nil {
			next.edition = before.edition + 1
		}
		r.book.Store(next)
	}, nil
}

// keepQuotas sets the quotas of the callers of c and forgets those of others. The
// caller holds r.mu.
func (r *Registry) keepQuotas(c Config) {
	kept := map[string]*quota{}
	for _, row := range c.Rows {
		if row.Quota.isZero() {
			continue
		}
		q := r.quotas[row.Name]
		if q == nil {
			q = newQuota(row.Quota, r.now)
		} else {
			q.set(row.Quota)
		}
		kept[row.Name] = q
	}
	r.quotas = kept
}

// Authenticate says who sent r, before its body is read, and that they may use
// the protocol. The error refuses the request: Unauthenticated where nobody is
// proved, Denied where somebody is and may not do this, Exhausted where their
// quota is used up. No error holds anything of what was shown.
func (r *Registry) Authenticate(protocol string, request *http.Request) (Caller, *daybook.Error) {
	if r == nil {
		return Anonymous, nil
	}
	known, err := r.identify(request)
	if err == nil {
		err = known.enter(protocol)
	}
	return r.told(protocol, request, known, err)
}

// Identify says who sent r, whatever they may send and how much: for routes on
// which nothing is sent. The error is as Authenticate's.
func (r *Registry) Identify(protocol string, request *http.Request) (Caller, *daybook.Error) {
	if r == nil {
		return Anonymous, nil
	}
	known, err := r.identify(request)
	return r.told(protocol, request, known, err)
}

// told tells of a refusal, and returns the caller where there is none.
func (r *Registry) told(protocol string, request *http.Request, known *account, err *daybook.Error) (Caller, *daybook.Error) {
	if err == nil {
		return known.caller, nil
	}
	refusal := Refusal{Protocol: protocol, Remote: Remote(request), Err: err}
	if known != nil {
		refusal.Caller = known.caller.Name
	}
	r.refused(refusal)
	return Caller{}, err
}

// identify says whose request it is by what it proves.
func (r *Registry) identify(request *http.Request) (*account, *daybook.Error) {
	b := r.book.Load()
	if !b.enforce {
		return b.anonymous, nil
	}
	byCertificate := b.certified(request)
	shown, wrong := proofOf(request.Header)
	switch {
	case wrong != "":
		return nil, malformed(wrong)
	case shown.kind == noProof && byCertificate != nil:
		return byCertificate, nil
	case shown.kind == noProof && b.allowAnonymous:
		return b.anonymous, nil
	case shown.kind == noProof:
		return nil, noCredentials()
	}
	known, err := r.prove(request.Context(), b, shown)
	if err != nil {
		return nil, err
	}
	if byCertificate != nil && byCertificate != known {
		return nil, unauthenticated(ReasonConflicting, "the client certificate and the Authorization header name different callers")
	}
	return known, nil
}

// prove says whose an Authorization header is.
func (r *Registry) prove(ctx context.Context, b *book, shown proof) (*account, *daybook.Error) {
	if shown.kind == basicProof {
		return r.proveBasic(ctx, b, shown)
	}
	if known := b.byKey(shown.token); known != nil {
		return known, nil
	}
	for _, a := range b.tokens {
		_, ok, err := a.tokens.Verify(ctx, shown.token)
		if err != nil {
			return nil, coded(err)
		}
		if ok {
			return a, nil
		}
	}
	return nil, unknown()
}

// coded is a verifier's error as a refusal.
func coded(err error) *daybook.Error {
	if e, ok := errors.AsType[*daybook.Error](err); ok {
		return e
	}
	return &daybook.Error{Code: daybook.Internal, Where: Where, Reason: ReasonCheckFailed, Message: "the token could not be checked", Err: err}
}

// proveBasic knows three uses of a user and a password: those of a row; a key as
// the user, without a password, as Segment's SDKs send it; and a caller's name
// with its key.
func (r *Registry) proveBasic(ctx context.Context, b *book, shown proof) (*account, *daybook.Error) {
	if shown.password == "" {
		if known := b.byKey(shown.user); known != nil {
			return known, nil
		}
		return nil, unknown()
	}
	if known := b.byKey(shown.password); known != nil && known.caller.Name == shown.user {
		return known, nil
	}
	a := b.users[shown.user]
	if a == nil {
		a = b.nobody // so that it takes as long as for a user who exists
	}
	if a.slow.text == "" {
		sum := hashOf(shown.password)
		if a == b.nobody || subtle.ConstantTimeCompare(sum[:], a.password[:]) != 1 {
			return nil, unknown()
		}
		return a, nil
	}
	right, wait := r.vault.opens(ctx, a.user, a.slow, shown.password)
	switch {
	case wait > 0:
		return nil, tooManyAttempts(wait)
	case !right || a == b.nobody:
		return nil, unknown()
	}
	return a, nil
}

// Remote is the host that a request came from, "" where it is not known. It is
// for the log: a proxy's is all that is known behind a proxy.
func Remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func hasHash(list []Hash, sum Hash) bool { return slices.Contains(list, sum) }
