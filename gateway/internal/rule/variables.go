package rule

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/store"
)

// declared lists what expressions see, in the order of the row.
var declared = []struct {
	name string
	kind *cel.Type
}{
	{"event_id", cel.StringType},
	{"event_name", cel.StringType},
	{"event_type", cel.StringType},
	{"actor_id", cel.StringType},
	{"event_ts", cel.TimestampType},
	{"ingested_at", cel.TimestampType},
	{"caller", cel.StringType},
	{"protocol", cel.StringType},
	{"instance", cel.StringType},
	{"metadata", cel.MapType(cel.StringType, cel.DynType)},
	{"sample_rate", cel.DoubleType},
}

// environment is the language that all expressions share. Making it costs more
// than compiling one.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.CrossTypeNumericComparisons(true), // sample_rate < 1
		cel.DefaultUTCTimeZone(true),
	}
	for _, d := range declared {
		options = append(options, cel.Variable(d.name, d.kind))
	}
	return cel.NewEnv(options...)
})

// variables are what one evaluation sees.
type variables struct {
	record   *store.Record
	metadata object
}

var pool = sync.Pool{New: func() any { return new(variables) }}

// variablesOf returns what evaluations about the event of r see. Call release
// afterwards.
func variablesOf(r *store.Record) *variables {
	v := pool.Get().(*variables)
	v.record = r
	v.metadata.raw = jsontext.Value(r.Event.Metadata)
	return v
}

// release lets go of the event.
func (v *variables) release() {
	v.record = nil
	v.metadata.reset()
	pool.Put(v)
}

// ResolveName implements [cel.Activation]. The metadata is not read here: most
// expressions do not ask for it.
func (v *variables) ResolveName(name string) (any, bool) {
	r := v.record
	switch name {
	case "event_id":
		return types.String(r.Event.ID), true
	case "event_name":
		return types.String(r.Event.Name), true
	case "event_type":
		return types.String(r.Event.Type), true
	case "actor_id":
		return types.String(r.Event.Actor), true
	case "event_ts":
		return types.Timestamp{Time: r.Event.Time}, true
	case "ingested_at":
		return types.Timestamp{Time: r.Received}, true
	case "caller":
		return types.String(r.Caller), true
	case "protocol":
		return types.String(r.Protocol), true
	case "instance":
		return types.String(r.Instance), true
	case "metadata":
		return &v.metadata, true
	case "sample_rate":
		if r.Event.SampleRate == 0 {
			return types.Double(1), true
		}
		return types.Double(r.Event.SampleRate), true
	}
	return nil, false
}

// Parent implements [cel.Activation].
func (v *variables) Parent() cel.Activation { return nil }
