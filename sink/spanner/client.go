package spanner

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	api "cloud.google.com/go/spanner/apiv1"
	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook.dev"
)

// A client makes the calls to the service. One session serves all of them, also
// at the same time; it is made when it is first needed.
type client struct {
	api      *api.Client
	database string
	timeout  time.Duration
	making   chan struct{} // holds one value while a session is made

	mu      sync.Mutex // guards what follows
	session string     // "" = none
	made    time.Time
}

const (
	// sessionAge is when a session is exchanged for a new one: Spanner keeps
	// them for 28 days.
	sessionAge = 7 * 24 * time.Hour

	// attempts is how often a call is made that the service could not take at
	// the moment. Longer outages are for whoever delivers.
	attempts = 5

	firstWait   = 20 * time.Millisecond // before the second attempt; each later one waits up to 4 times longer
	longestWait = time.Second           // that the server may ask for
)

func dial(ctx context.Context, c Config) (*client, *daybook.Error) {
	opts, err := options(c)
	if err != nil {
		return nil, err
	}
	a, unknown := api.NewClient(ctx, opts...)
	if unknown != nil {
		return nil, noCredentials()
	}
	return &client{api: a, database: c.Database, timeout: c.Timeout, making: make(chan struct{}, 1)}, nil
}

// noCredentials is what opening a client of the library fails with. Its own text
// may name files and accounts, and what to do is always the same.
func noCredentials() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Unauthenticated, Where: where, Reason: "no_credentials",
		Message: "there are no credentials for the service: set GOOGLE_APPLICATION_CREDENTIALS, or run where the machine has an account",
	}
}

// options returns how to connect.
func options(c Config) ([]option.ClientOption, *daybook.Error) {
	// After an outage connections are tried again soon, not within two minutes.
	reconnect := grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
		MinConnectTimeout: 5 * time.Second,
	})
	// The library logs requests, events and all, where an environment variable
	// tells it to.
	silent := option.WithLogger(slog.New(slog.DiscardHandler))
	emulator := c.Emulator
	if emulator == "" {
		emulator = os.Getenv("SPANNER_EMULATOR_HOST")
	}
	if emulator == "" {
		return []option.ClientOption{option.WithGRPCDialOption(reconnect), silent}, nil
	}
	address := "passthrough:///" + strings.TrimPrefix(emulator, "http://")
	conn, err := grpc.NewClient(address, reconnect, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, misconfigured("emulator", "the emulator's address must be host:port")
	}
	return []option.ClientOption{option.WithGRPCConn(conn), silent}, nil
}

// close closes the connections. The session is not deleted: Spanner forgets
// those that nobody uses, and they cost nothing.
func (c *client) close() {
	_ = c.api.Close() // nothing is under way any more
}

// call makes one call with a session, again where the service could not take it
// at the moment.
func call[T any](ctx context.Context, c *client, do func(ctx context.Context, session string) (T, error)) (T, *daybook.Error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		v, err := once(ctx, c, do)
		if err == nil {
			return v, nil
		}
		wait, again := patience(err, attempt)
		if !again || !sleep(ctx, wait) {
			return v, failure(err)
		}
	}
}

// once makes one call. Where the session is lost, the next one makes another.
func once[T any](ctx context.Context, c *client, do func(ctx context.Context, session string) (T, error)) (v T, err error) {
	session, err := c.take(ctx)
	if err != nil {
		return v, err
	}
	v, err = do(c.headers(ctx), session)
	if lost(err) {
		c.forget(session)
	}
	return v, err
}

// take returns the session, and makes it where there is none.
func (c *client) take(ctx context.Context) (string, error) {
	if name := c.current(); name != "" {
		return name, nil
	}
	select {
	case c.making <- struct{}{}:
		defer func() { <-c.making }()
	case <-ctx.Done():
		return "", status.FromContextError(ctx.Err()).Err()
	}
	if name := c.current(); name != "" {
		return name, nil // somebody else has made it meanwhile
	}
	session, err := c.api.CreateSession(c.headers(ctx), &spannerpb.CreateSessionRequest{
		Database: c.database,
		Session:  &spannerpb.Session{Multiplexed: true},
	}, noRetry)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.made = session.Name, time.Now()
	return session.Name, nil
}

func (c *client) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.made) > sessionAge {
		c.session = ""
	}
	return c.session
}

func (c *client) forget(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == session {
		c.session = ""
	}
}

// headers say which database a call is about and that the leader has to answer
// it: the service's front ends route by them.
func (c *client) headers(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "google-cloud-resource-prefix", c.database, "x-goog-spanner-route-to-leader", "true")
}

// noRetry keeps the library from repeating calls for as long as ctx allows.
var noRetry = gax.WithRetry(nil)

// patience says how long to wait before a call is made again, and whether.
func patience(err error, attempt int) (wait time.Duration, again bool) {
	if attempt >= attempts {
		return 0, false
	}
	switch code := status.Code(err); {
	case lost(err):
		return 0, true
	case code != codes.Aborted && code != codes.Unavailable:
		return 0, false
	}
	if asked := retryAfter(err); asked > 0 {
		return asked, asked <= longestWait
	}
	most := firstWait
	for range attempt - 1 {
		most *= 4
	}
	return rand.N(most) + 1, true
}

// sleep waits, and tells whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
