package serve

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Destination is somewhere events are delivered to. Its keys stand in the file
// below destinations.NAME; those of its type are the fields of Options.
type Destination struct {
	Name string `key:"-"` // label of metrics, name of its cursor's file
	Type string `usage:"technology: one of the types docs/destinations.md lists"`

	Wait       bool          `default:"false" usage:"callers of LogEvent wait for the first attempt"`
	WaitWithin time.Duration `default:"2s" usage:"how long they wait at most"`

	From  Start  `default:"start" usage:"where a new destination begins: start (of what is kept), now, or a time"`
	Where string `usage:"CEL expression that is true for the events to deliver (default all)"`
	Send  List   `usage:"what leaves: event_id, event_name, event_ts and others such as metadata.plan (default everything)"`

	Batch       DestinationBatch
	Concurrency int           `default:"4" usage:"writes under way at most"`
	Order       string        `default:"none" words:"none actor" usage:"actor = the events of one actor never overtake each other"`
	Timeout     time.Duration `default:"30s" usage:"how long one attempt may take"`
	Migrate     bool          `default:"false" usage:"make at the start what is missing there: the table, the topic, the stream"`

	// Options points to the keys of the type.
	Options any `key:"-"`
}

// DestinationBatch says how much one write carries.
type DestinationBatch struct {
	Events int           `default:"500" usage:"most events of one write"`
	Bytes  Size          `default:"1MiB" usage:"most bytes of one write, unless one event is larger"`
	Age    time.Duration `default:"1s" usage:"how long an event waits for others at most"`
}

// completed returns d with every zero field set to its default.
func completed(d Destination) Destination {
	k, ok := kindNamed(d.Type)
	if !ok {
		return d
	}
	if d.Options == nil {
		d.Options = k.options()
	} else {
		own := reflect.New(reflect.TypeOf(d.Options).Elem())
		own.Elem().Set(reflect.ValueOf(d.Options).Elem())
		d.Options = own.Interface()
	}
	for _, key := range commonKeys() {
		key.setDefault(&d)
	}
	for _, key := range optionKeys(d.Options) {
		key.setDefault(d.Options)
	}
	return d
}

// commonKeys are the keys that every destination has.
func commonKeys() keyTable { return keysOf(reflect.TypeFor[Destination](), "", nil) }

// optionKeys are the keys of a type: the fields of the struct that options
// points to.
func optionKeys(options any) keyTable { return keysOf(reflect.TypeOf(options).Elem(), "", nil) }

// each calls use with every key of d and what the key is a field of.
func (d *Destination) each(use func(k Key, target any)) {
	for _, k := range commonKeys() {
		use(k, d)
	}
	for _, k := range optionKeys(d.Options) {
		use(k, d.Options)
	}
}

// key is the full name of a destination's key: "destinations.hook.url".
func (d *Destination) key(name string) string {
	return strings.Join([]string{destinationsKey, d.Name, name}, ".")
}

// destination returns what the file says about one. Origins get the place of
// each key.
func (f fileDestination) destination(origins Origins) (Destination, []error) {
	k, _ := kindNamed(f.kind) // the file was refused otherwise
	d := Destination{Name: f.name, Options: k.options()}
	var problems []error
	d.each(func(key Key, target any) {
		value, ok := f.values[key.Name]
		if !ok {
			return
		}
		origins[d.key(key.Name)] = value.at
		if err := key.set(target, value.text); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", value.at, d.key(key.Name), err))
		}
	})
	origins[destinationsKey+"."+f.name] = f.at
	return d, problems
}

// Destination returns the destination of that name.
func (c Config) Destination(name string) (Destination, bool) {
	i := slices.IndexFunc(c.Destinations, func(d Destination) bool { return d.Name == name })
	if i < 0 {
		return Destination{}, false
	}
	return c.Destinations[i], true
}

// direct returns the destination that is the store, and false where the journal
// is.
func (c Config) direct() (Destination, bool) {
	if c.Store == journalStore {
		return Destination{}, false
	}
	return c.Destination(c.Store)
}
