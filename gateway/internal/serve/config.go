package serve

import (
	"encoding/json"
	"os"
	"time"

	"daybook.dev/gateway/internal/keyring"
)

// Config is everything an operator decides. The zero value works: a zero field
// means its default, which stands beside it. The name of a field is the name
// of its key, so that Ingest.Listen is ingest.listen in the file,
// --ingest-listen on the command line and DAYBOOK_INGEST_LISTEN in the
// environment (see [Keys]).
type Config struct {
	Ingest     Ingest
	Operations Operations

	Data  string `default:"./daybook-data" usage:"directory that holds the journal"`
	Store string `default:"journal" usage:"where events are kept: journal, or the name of a destination that confirms writes"`

	AllowAnonymous bool   `default:"false" usage:"let requests in that prove nothing, also from other machines" live:"true"`
	AllowEphemeral bool   `default:"false" usage:"keep events on a disk that is memory; every answer then says memory"`
	Instance       string `usage:"name of this gateway in every event (default the host name)"`

	Journal Journal
	Dedup   Dedup
	Limits  Limits
	OTLP    OTLP

	TelemetryGateway TelemetryGateway

	Log  Log
	Stop Stop

	Tokens      Tokens
	CallersFile string       `usage:"file with the callers that daybook keys keeps" live:"true"`
	Callers     []Caller     `key:"-"` // in the order of the file
	Kept        keyring.Ring `key:"-"` // the callers of CallersFile

	DeadLetters  string        `usage:"destination that gets what can never be delivered, where the store is no journal"`
	Destinations []Destination `key:"-"` // in the order of the file

	Redact  []Redaction `key:"-"` // all of them count
	Rules   []Rule      `key:"-"` // the first that matches counts
	Schemas []Schema    `key:"-"` // in the order of the file
	Kill    Kill

	RulesTests List `usage:"files with tests of redact, rules and kill, for daybook check --rules"`

	ClientSettings json.RawMessage `key:"-"` // what clients fetch, as JSON; nil = none
}

// journalStore is the store that is no destination.
const journalStore = "journal"

// Ingest is the listener that receives events.
type Ingest struct {
	Listen       Address `default:"127.0.0.1:8080" usage:"address that receives events; PORT sets :PORT"`
	TLS          TLS
	TrustHeaders TrustHeaders
	CORS         CORS
}

// CORS says which web pages may send events from the browsers of those who look
// at them. Others are refused, whatever they send.
type CORS struct {
	Origins PageOrigins   `live:"true" usage:"origins of the web pages that may send events, such as https://app.example.com; * = all"`
	MaxAge  time.Duration `default:"10m" live:"true" usage:"how long browsers may remember that a page may send"`
}

// TrustHeaders is for gateways behind a proxy that says who is calling. What it
// says is recorded with LogEvent's events; it proves nothing and lets nobody in.
type TrustHeaders struct {
	Email string   `default:"x-goog-authenticated-user-email" usage:"header with the caller's e-mail address, set by a proxy"`
	ID    string   `default:"x-goog-authenticated-user-id" usage:"header with the caller's stable id, set by a proxy"`
	From  Networks `default:"127.0.0.0/8,::1/128" usage:"networks the proxy sends from; others are not believed"`
}

// Operations is the listener for the people who run the gateway.
type Operations struct {
	Listen Address `default:"127.0.0.1:8081" or:"ingest" usage:"address of metrics, health and tail; ingest = below /-/ on the ingest port"`
	TLS    TLS
	Token  Secret `usage:"bearer token of administrators: reading takes it, but for health and ready, and so do changes; required when others can reach operations.listen"`

	ReadToken Secret `usage:"bearer token that reading takes too, and that changes nothing"`
}

// OnIngest is the operations address that means: below /-/ on the ingest port.
const OnIngest Address = "ingest"

// Journal says how much is kept. The marks are shares of MaxSize, or of the
// whole file system where that is smaller: docs/operating.md.
type Journal struct {
	Keep     time.Duration `default:"7d" usage:"how long events are kept, while max_size allows"`
	MaxSize  Size          `default:"10GiB" usage:"bytes the journal may take; beyond it the oldest events are removed"`
	WarnAt   Percent       `default:"80%" usage:"share of the room in use that is warned about"`
	RefuseAt Percent       `default:"95%" usage:"share of the room in use at which new events are refused"`

	TamperEvidence string `usage:"file with the key that signs checkpoints over what is stored; daybook store key makes one"`
}

// Dedup says what makes an event a duplicate, and for how long it is
// remembered.
type Dedup struct {
	Window time.Duration `default:"24h" usage:"for how long a second event with the same id counts as a duplicate"`
	By     Identities    `default:"event_id" usage:"what two copies have in common: event_id, and idempotency_key if you like"`
}

// Limits bound what callers may send.
type Limits struct {
	Memory       Size `default:"256MiB" usage:"bytes of requests in flight; beyond it callers are told to retry"`
	Request      Size `default:"16MiB" usage:"largest request body as it arrives"`
	Decompressed Size `default:"64MiB" usage:"largest request body after decompression"`
	Event        Size `default:"1MiB" usage:"largest event"`
	Batch        int  `default:"10000" usage:"most events in one request"`
	Connections  int  `default:"10000" usage:"most connections to the ingest port; beyond it the one that has been idle for longest is closed"`
	Quarantine   Size `default:"64MiB" usage:"bytes of each caller's refused events that are kept as dead letters in an hour, where they are kept"`
}

// OTLP is about OpenTelemetry's logs.
type OTLP struct {
	Unnamed string `default:"keep" words:"keep refuse" usage:"what becomes of log records without an event name: keep them with the name and type log, or refuse them"`
}

// Log says what is written about the gateway's own work, on standard error.
type Log struct {
	Format string `default:"auto" words:"auto text json gcp" usage:"auto = text on a terminal, else json"`
	Level  string `default:"info" words:"debug info warn error" usage:"least level that is written"`
	Events string `default:"debug" words:"debug all" usage:"all = the lines about batches of events at level info"`
}

// Stop says how the gateway stops. It is not ready during Delay, so that load
// balancers turn away, and then has Within to answer what it has begun.
type Stop struct {
	Delay  time.Duration `default:"0s" usage:"how long to say not ready before closing the door"`
	Within time.Duration `default:"8s" usage:"how long requests under way may take once the door is closed"`
}

// withDefaults returns c with every zero field set to its default.
func (c Config) withDefaults() Config {
	for _, k := range Keys() {
		k.setDefault(&c)
	}
	destinations := make([]Destination, len(c.Destinations))
	for i := range c.Destinations {
		destinations[i] = completed(c.Destinations[i])
	}
	c.Destinations = destinations
	callers := make([]Caller, len(c.Callers))
	for i := range c.Callers {
		callers[i] = completedCaller(c.Callers[i])
	}
	c.Callers = callers
	c.Redact, c.Rules = completedItems(c.Redact), completedItems(c.Rules)
	if c.Instance == "" {
		c.Instance = hostName()
	}
	return c
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "daybook"
	}
	return name
}
