package caller

import (
	"context"
	"time"
)

// A Config says who may send events. The zero value knows nobody, and lets
// everybody in as Anonymous.
type Config struct {
	Rows []Row

	// Enforce asks for credentials although no row has any: where the callers are
	// kept in a file, removing the last one must not open the door to everybody.
	Enforce bool

	// AllowAnonymous lets requests without credentials in although there are
	// callers. Wrong credentials are refused all the same.
	AllowAnonymous bool

	// ServiceScopes are the scopes of which a managed service's token needs one.
	// Nil means those of that name.
	ServiceScopes []string
}

// A Row is one caller: how it is proved, what it may do, how much. Any one of its
// proofs will do. The row named "anonymous" has no proofs: it says what those may
// do who prove nothing, where they are let in.
type Row struct {
	// Name is unique among the rows: letters, digits, ".", "_" and "-".
	Name string

	Keys        []Hash       // each proves the caller, so that a new key can be handed out before the old one goes
	Basic       *Basic       // nil = no user and password
	Certificate *Certificate // nil = no client certificate
	Tokens      Verifier     // who says whether a bearer token is this caller's; nil = nobody

	Protocols []string // the caller may use; empty means all
	Events    []string // names it may send, in which * stands for any text; empty means all
	Quota     Quota

	// Public callers are the product's own site and its managed services: what
	// their users' browsers report (marketing_tracking) may leave.
	Public bool

	// Services are the ids of the managed services that may send as this caller,
	// with its tokens. Empty means all.
	Services []string

	// Instances says which instances of a product send as this caller. Nil
	// means none.
	Instances *Instances
}

// A Hash is the SHA-256 of a secret. Only secrets that were made by chance are
// kept like this: a password that somebody chose can be guessed from it.
type Hash [32]byte

// Basic is a user and the hash of a password, in one of three forms.
type Basic struct {
	User   string
	SHA256 Hash   // of a generated password; zero = none
	Slow   string // of a chosen one: bcrypt ($2b$…) or argon2id ($argon2id$…); "" = none
}

// A Certificate says which verified client certificates are a caller's. All that
// is set must hold.
type Certificate struct {
	CommonName string // of the subject
	DNS        string // one of the names
	URI        string // one of the addresses, such as a SPIFFE id
	Keys       []Hash // one of the SHA-256 of its public key (SubjectPublicKeyInfo)
}

// A Quota is how much a caller may send. The zero value is without bound.
type Quota struct {
	Events float64 // per second; zero means without bound
	Bytes  float64 // per second, of requests after decompression; zero means without bound

	// Burst is how much may come at once, as the time in which it is earned.
	// Zero means 10s.
	Burst time.Duration
}

// Instances say which instances of a product send as a caller.
type Instances struct {
	Unlicensed    bool     // those without a license, of which nothing is known
	LicenseKeys   []string // the public keys of which one has signed an instance's license
	EnforceExpiry bool     // refuses licenses that have expired
}

// A Verifier says whom a bearer token stands for. It is asked about every token
// that is no key, on every request: it remembers what it finds out, within
// bounds, and bounds what strangers can make it do. It is safe for concurrent
// use and gives up when ctx ends.
type Verifier interface {
	// Verify looks at a token. False without an error means that the token is
	// none of this verifier's: another row's may know it, and where none does the
	// token is unknown. An error refuses the request; a *daybook.Error says how
	// (Denied, Unavailable, Exhausted), any other counts as Internal. No error
	// holds the token.
	Verify(ctx context.Context, token string) (Claims, bool, error)
}

// Claims are what a verified token says.
type Claims struct {
	Subject string
	Scopes  []string
	Expires time.Time // zero = not said
}
