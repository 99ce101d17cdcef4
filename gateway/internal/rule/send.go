package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/members"
	"daybook.dev/gateway/internal/nearest"
)

// A Projection is what of an event leaves for a destination. It is safe for
// concurrent use.
type Projection struct {
	fields   map[string]bool // of the event and its origin
	metadata *branch         // nil = none of it leaves
}

// A branch is what of an object leaves: all of it, or the members named.
type branch struct {
	whole   bool
	members map[string]*branch
}

// required is what no destination can do without.
var required = []string{"event_id", "event_name", "event_ts"}

// sendable lists what a list may name, besides members of the metadata.
var sendable = []string{
	"event_id", "event_name", "event_type", "actor_id", "event_ts", "ingested_at",
	"caller", "protocol", "instance", "metadata", "idempotency_key", "sample_rate",
}

// CompileSend compiles the list of the fields that leave, by the names they have
// in a row, such as event_id and metadata.plan. A dot leads into an object, so a
// member whose own name has a dot leaves only with the object around it. The
// error's code is Invalid.
func CompileSend(fields []string) (*Projection, error) {
	p := &Projection{fields: map[string]bool{}}
	for _, field := range fields {
		if path, ok := strings.CutPrefix(field, "metadata."); ok {
			if err := p.addMember(field, path); err != nil {
				return nil, err
			}
			continue
		}
		if !slices.Contains(sendable, field) {
			return nil, unknownField(field)
		}
		p.fields[field] = true
	}
	if p.fields["metadata"] {
		p.metadata = &branch{whole: true}
	}
	for _, field := range required {
		if !p.fields[field] {
			return nil, refusal(fmt.Sprintf("%s is missing: event_id, event_name and event_ts always leave, so the list has to name them", field))
		}
	}
	return p, nil
}

// addMember notes that the member at the path leaves.
func (p *Projection) addMember(field, path string) error {
	if p.metadata == nil {
		p.metadata = &branch{}
	}
	at := p.metadata
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			return refusal(fmt.Sprintf("%q has an empty name between its dots", field))
		}
		if at.members == nil {
			at.members = map[string]*branch{}
		}
		if at.members[name] == nil {
			at.members[name] = &branch{}
		}
		at = at.members[name]
	}
	at.whole = true
	return nil
}

func unknownField(field string) error {
	if near := nearest.Name(field, slices.Values(sendable)); near != "" {
		return refusal(fmt.Sprintf("there is no %s; did you mean %s?", field, near))
	}
	return refusal(fmt.Sprintf("there is no %s; a member of the metadata is metadata.%s, and the others are %s", field, field, strings.Join(sendable, ", ")))
}

// String returns the fields that leave, sorted.
func (p *Projection) String() string {
	fields := slices.Sorted(maps.Keys(p.fields))
	if p.metadata != nil && !p.metadata.whole {
		fields = append(fields, p.metadata.paths("metadata")...)
	}
	return strings.Join(fields, ", ")
}

// paths returns the paths to what leaves of b, which is at prefix.
func (b *branch) paths(prefix string) []string {
	if b.whole {
		return []string{prefix}
	}
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(b.members)) {
		paths = append(paths, b.members[name].paths(prefix+"."+name)...)
	}
	return paths
}

// Apply takes from e what does not leave. It changes e alone: the metadata and
// the origin that it shares with others stay as they are, and what is left of
// them is new. What an event's id is unique in is not said, but kept, so that
// ids stay distinct where two callers use the same. Members stay in their order
// and as they were written, numbers and all.
func (p *Projection) Apply(e *daybook.Event) {
	if !p.fields["event_type"] {
		e.Type = ""
	}
	if !p.fields["actor_id"] {
		e.Actor = ""
	}
	if !p.fields["idempotency_key"] {
		e.IdempotencyKey = ""
	}
	if !p.fields["sample_rate"] {
		e.SampleRate = 0
	}
	if e.Origin != nil {
		e.Origin = p.origin(*e.Origin)
	}
	e.Metadata = p.ofMetadata(e.Metadata)
}

func (p *Projection) origin(o daybook.Origin) *daybook.Origin {
	if !p.fields["caller"] {
		o.Caller = ""
	}
	if !p.fields["protocol"] {
		o.Protocol = ""
	}
	if !p.fields["instance"] {
		o.Instance = ""
	}
	if !p.fields["ingested_at"] {
		o.Received = time.Time{}
	}
	return &o
}

// ofMetadata returns what of raw leaves: nil when nothing was asked for, or
// there is nothing, or raw is no object.
func (p *Projection) ofMetadata(raw []byte) []byte {
	switch {
	case p.metadata == nil || len(raw) == 0:
		return nil
	case p.metadata.whole:
		return raw
	}
	left, ok := p.metadata.appendTo(make([]byte, 0, 128), raw)
	if !ok {
		return nil
	}
	return left
}

// appendTo appends what of the object raw leaves. It reports whether raw is one.
func (b *branch) appendTo(dst []byte, raw jsontext.Value) ([]byte, bool) {
	dst = append(dst, '{')
	none := len(dst)
	ok := members.Each(raw, func(m members.Member) bool {
		value, wanted := m.Value, b.members[string(m.Name)]
		if wanted == nil || !wanted.whole && value.Kind() != jsontext.KindBeginObject {
			return true
		}
		before := len(dst)
		if before > none {
			dst = append(dst, ',')
		}
		dst, _ = jsontext.AppendQuote(dst, m.Name) // of valid UTF-8: it was read as such
		dst = append(dst, ':')
		if wanted.whole {
			dst = append(dst, value...)
			return true
		}
		inner, ok := wanted.appendTo(dst, value)
		if dst = inner; !ok {
			dst = dst[:before]
		}
		return ok
	})
	return append(dst, '}'), ok
}
