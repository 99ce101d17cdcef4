package serve

import "encoding/json"

// The keys of lists and names that the file alone can have.
const (
	redactKey  = "redact"
	rulesKey   = "rules"
	schemasKey = "schemas"
)

// A Redaction is one field that is not stored as it was received. All of them
// count, always: docs/rules.md.
type Redaction struct {
	Field string `usage:"actor_id, or a member of the metadata such as metadata.user.email"`
	With  string `words:"remove mask hash" usage:"what is left: nothing, ***, or an HMAC-SHA-256 that is the same for the same value"`
	Key   Secret `usage:"secret for with: hash, at least 16 bytes"`
}

// A Rule decides about the events that it matches. The first one that does is the
// only one.
type Rule struct {
	Name  string `usage:"what metrics and answers call it (default rule-1 and so on)"`
	Match string `usage:"CEL expression that is true for the events it is about (default all)"`

	Keep       bool   `default:"false" usage:"store them, whatever later rules say"`
	Drop       bool   `default:"false" usage:"drop them: callers are told so"`
	Sample     Share  `usage:"share of them that is stored, such as 0.1; the others are dropped"`
	By         string `default:"event_id" words:"event_id actor_id" usage:"what draws the lot: the same value is always stored or always dropped"`
	Schema     string `usage:"name of the schema that their metadata must fit"`
	OnMismatch string `default:"refuse" words:"refuse quarantine" usage:"quarantine = refuse what does not fit, and keep it as a dead letter"`
	Refuse     string `usage:"refuse them, with this sentence"`
	Quarantine string `usage:"refuse them with this sentence, and keep them as dead letters"`
}

// A Schema is a JSON Schema that rules can ask for.
type Schema struct {
	Name string
	File string          // where it was read from; "" = it stands in the configuration
	Text json.RawMessage // the schema itself
}

// Kill switches off what sends too much, or what it should not. It takes effect
// while the gateway runs.
type Kill struct {
	Events       List `live:"true" usage:"names of events that are dropped"`
	Callers      List `live:"true" usage:"callers whose events are dropped"`
	Destinations List `live:"true" usage:"destinations that get nothing until they are taken from the list; what is due to them waits"`
}
