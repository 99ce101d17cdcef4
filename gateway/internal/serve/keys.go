package serve

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Key is one thing an operator can set. Its three spellings derive from the
// names of the fields of [Config]; a key of a destination has only that of the
// file.
type Key struct {
	Name    string // "ingest.listen", as in the file
	Usage   string
	Default string // "" = none

	words []string // what a text may be; empty = anything
	live  bool     // a new value takes effect while the gateway runs
	or    string   // a word that is accepted besides what the type reads
	field []int    // path of the field in the struct that has the key
	typ   reflect.Type
}

// Keys lists every key of [Config], in the order of its fields, but for those of
// the destinations.
func Keys() []Key { return keysOf(reflect.TypeFor[Config](), "", nil) }

// keysOf lists the keys of a struct. A field tagged key:"-" is none.
func keysOf(t reflect.Type, prefix string, path []int) keyTable {
	var keys keyTable
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("key") == "-" {
			continue
		}
		name := prefix + snake(f.Name)
		if f.Anonymous { // its keys are the struct's own
			keys = append(keys, keysOf(f.Type, prefix, append(slices.Clone(path), i))...)
			continue
		}
		field := append(slices.Clone(path), i)
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, name+".", field)...)
			continue
		}
		keys = append(keys, Key{
			Name: name, Usage: f.Tag.Get("usage"), Default: f.Tag.Get("default"),
			words: strings.Fields(f.Tag.Get("words")), or: f.Tag.Get("or"), live: f.Tag.Get("live") != "",
			field: field, typ: f.Type,
		})
	}
	return keys
}

// snake turns AllowAnonymous into allow_anonymous, and ID into id.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if upper := r >= 'A' && r <= 'Z'; upper && i > 0 && !(name[i-1] >= 'A' && name[i-1] <= 'Z') {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// Flag is the key's spelling on the command line, without the dashes.
func (k Key) Flag() string { return flagOf(k.Name) }

func flagOf(name string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(name) }

// Env is the key's spelling in the environment.
func (k Key) Env() string {
	return "DAYBOOK_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Type names what the key takes, for help texts.
func (k Key) Type() string {
	switch k.typ {
	case reflect.TypeFor[Address]():
		return "address"
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[Secrets]():
		return "secrets"
	case reflect.TypeFor[URL]():
		return "url"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Networks]():
		return "networks"
	case reflect.TypeFor[Percent]():
		return "percent"
	case reflect.TypeFor[Share]():
		return "share"
	case reflect.TypeFor[PageOrigins]():
		return "origins"
	case reflect.TypeFor[Identities](), reflect.TypeFor[List]():
		return "list"
	case reflect.TypeFor[Start]():
		return "start|now|time"
	case reflect.TypeFor[Rate](), reflect.TypeFor[ByteRate]():
		return "rate"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	}
	if len(k.words) > 0 {
		return strings.Join(k.words, "|")
	}
	return k.typ.Kind().String()
}

// Words are the values that the key can have, where they are listed.
func (k Key) Words() []string { return k.words }

// Check returns why text is not a value of the key, or nil.
func (k Key) Check(text string) error {
	_, err := k.parse(text)
	return err
}

// set stores text in the key's field of target, a pointer to its struct.
func (k Key) set(target any, text string) error {
	v, err := k.parse(text)
	if err != nil {
		return err
	}
	k.in(target).Set(v)
	return nil
}

// setDefault stores the key's default in target when nothing else is there.
func (k Key) setDefault(target any) {
	if k.Default == "" || !k.in(target).IsZero() {
		return
	}
	v, err := k.convert(k.Default)
	if err != nil {
		panic("serve: default of " + k.Name + ": " + err.Error())
	}
	k.in(target).Set(v)
}

// Text returns the key's value in c as its parser reads it; a secret is
// masked.
func (k Key) Text(c Config) string { return k.text(&c) }

func (k Key) text(target any) string {
	v := k.in(target).Interface()
	if d, ok := v.(time.Duration); ok {
		return durationText(d)
	}
	return fmt.Sprint(v)
}

func (k Key) in(target any) reflect.Value {
	return reflect.ValueOf(target).Elem().FieldByIndex(k.field)
}

// parse reads text as the type of the key's field. Zero is refused where it
// would silently mean the default.
func (k Key) parse(text string) (reflect.Value, error) {
	v, err := k.convert(text)
	if err != nil {
		return v, err
	}
	if numeric := v.CanInt(); numeric && v.IsZero() && k.zeroMeansDefault() {
		return v, fmt.Errorf("must be above zero (leave it out for the default, %s)", k.Default)
	}
	return v, nil
}

func (k Key) zeroMeansDefault() bool {
	v, err := k.convert(k.Default)
	return err == nil && !v.IsZero()
}

func (k Key) convert(text string) (reflect.Value, error) {
	if k.or != "" && text == k.or {
		return reflect.ValueOf(text).Convert(k.typ), nil
	}
	v, err := convertTo(k.typ, text)
	if err != nil {
		return reflect.Value{}, err
	}
	if len(k.words) > 0 && !slices.Contains(k.words, text) {
		return reflect.Value{}, k.wrongWord(text)
	}
	return v, nil
}

// wrongWord: a key with one word is there for the versions that know more.
func (k Key) wrongWord(text string) error {
	if len(k.words) == 1 {
		return fmt.Errorf("%q is not available in this version: it must be %s", text, k.words[0])
	}
	return fmt.Errorf("%q is not one of: %s", text, strings.Join(k.words, ", "))
}

func convertTo(t reflect.Type, text string) (reflect.Value, error) {
	var v any
	var err error
	switch t {
	case reflect.TypeFor[Address]():
		v, err = parseAddress(text)
	case reflect.TypeFor[Size]():
		v, err = parseSize(text)
	case reflect.TypeFor[Networks]():
		v, err = parseNetworks(text)
	case reflect.TypeFor[Percent]():
		v, err = parsePercent(text)
	case reflect.TypeFor[Share]():
		v, err = parseShare(text)
	case reflect.TypeFor[Identities]():
		v, err = parseIdentities(text)
	case reflect.TypeFor[List]():
		v, err = parseList(text)
	case reflect.TypeFor[PageOrigins]():
		v, err = parsePageOrigins(text)
	case reflect.TypeFor[Secrets]():
		var l List
		l, err = parseList(text)
		v = Secrets(l)
	case reflect.TypeFor[URL]():
		v, err = parseURL(text)
	case reflect.TypeFor[Start]():
		v, err = parseStart(text)
	case reflect.TypeFor[Rate]():
		v, err = ParseRate(text)
	case reflect.TypeFor[ByteRate]():
		v, err = ParseByteRate(text)
	case reflect.TypeFor[time.Duration]():
		v, err = ParseDuration(text)
	case reflect.TypeFor[bool]():
		v, err = parseBool(text)
	case reflect.TypeFor[int]():
		v, err = parseCount(text)
	default:
		return reflect.ValueOf(text).Convert(t), nil
	}
	return reflect.ValueOf(v), err
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}
