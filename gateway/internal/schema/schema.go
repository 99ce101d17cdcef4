// Package schema checks the metadata of events against JSON Schemas. Nothing is
// fetched: a schema may refer to parts of itself and to the other schemas of its
// set, by their names. The drafts 4, 6, 7, 2019-09 and 2020-12 are known; without
// $schema it is 2020-12. A format such as "email" is checked.
//
// What is said about metadata that does not fit never has any of it: only names
// that stand in the schema, and words of the schema's own.
package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"daybook.dev"
)

// Bounds of a set: far above what people write.
const (
	maxSchemas = 200
	maxBytes   = 1 << 20 // of one schema
)

// Bounds of what is checked of one event, as a caller decides what a schema has
// to do: uniqueItems compares values with each other, and one that refers to
// itself twice has twice the work on each level.
const (
	maxValues = 10_000 // texts, numbers, objects and lists together
	maxDepth  = 16
)

// A Schema is one that metadata can be checked against. It is safe for concurrent
// use.
type Schema struct {
	name   string
	schema *jsonschema.Schema
	names  map[string]bool // that it may say: those of its own properties
}

// base is where the schemas of a set are, for their references to each other. It
// is no place.
const base = "daybook:///"

// Compile compiles a set of schemas, by their names. The error names the schema
// and says what cannot be meant; its code is Invalid, its Field the name.
func Compile(texts map[string][]byte) (map[string]*Schema, error) {
	if len(texts) > maxSchemas {
		return nil, refusal("", fmt.Sprintf("there are %d schemas, the most are %d", len(texts), maxSchemas))
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nowhere{})
	compiler.AssertFormat()
	names := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		document, err := read(name, texts[name])
		if err != nil {
			return nil, err
		}
		if err := compiler.AddResource(base+name, document); err != nil {
			return nil, refusal(name, plain(err))
		}
		properties(document, names)
	}
	schemas := make(map[string]*Schema, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		compiled, err := compiler.Compile(base + name)
		if err != nil {
			return nil, refusal(name, plain(err))
		}
		schemas[name] = &Schema{name: name, schema: compiled, names: names}
	}
	return schemas, nil
}

func read(name string, text []byte) (any, error) {
	if len(text) > maxBytes {
		return nil, refusal(name, fmt.Sprintf("the schema has %d bytes, the most are %d", len(text), maxBytes))
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return nil, refusal(name, "is not JSON: "+err.Error())
	}
	switch document.(type) {
	case map[string]any, bool:
		return document, nil
	}
	return nil, refusal(name, "is not a JSON Schema: that is an object, or true or false")
}

// nowhere refuses every reference that leads out of a set.
type nowhere struct{}

var errElsewhere = errors.New("nothing is fetched: refer to parts of the schema itself (#/…), or to another one under schemas by its name")

// Load implements [jsonschema.URLLoader].
func (nowhere) Load(string) (any, error) { return nil, errElsewhere }

// plain is what is wrong with a schema, without the places that are none.
func plain(err error) string {
	return strings.ReplaceAll(err.Error(), base, "")
}

// properties collects the names that a schema gives to members.
func properties(document any, names map[string]bool) {
	switch node := document.(type) {
	case []any:
		for _, element := range node {
			properties(element, names)
		}
	case map[string]any:
		for key, value := range node {
			if members, ok := value.(map[string]any); ok && key == "properties" {
				for name := range members {
					names[name] = true
				}
			}
			properties(value, names)
		}
	}
}

func refusal(name, message string) *daybook.Error {
	return &daybook.Error{Code: daybook.Invalid, Field: name, Reason: "bad_schema", Message: message}
}
