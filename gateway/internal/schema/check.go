package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"daybook.dev"
	"daybook.dev/gateway/internal/members"
)

// Check returns what is wrong with metadata, a JSON object or nil for one without
// members: the field and a sentence. Nil means that it fits.
func (s *Schema) Check(metadata []byte) *daybook.Error {
	if len(metadata) == 0 {
		metadata = []byte("{}")
	}
	if jsontext.Value(metadata).Kind() != jsontext.KindBeginObject {
		return s.mismatch("metadata", "it is no object")
	}
	r := reading{left: maxValues}
	value := r.value(metadata, 1)
	if r.excess != "" {
		return s.mismatch("metadata", r.excess)
	}
	err := s.schema.Validate(value)
	if err == nil {
		return nil
	}
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &wrong) {
		return s.mismatch("metadata", "it cannot be checked")
	}
	wrong = first(wrong)
	return s.mismatch(s.field(wrong.InstanceLocation), explain(wrong.ErrorKind))
}

func (s *Schema) mismatch(field, what string) *daybook.Error {
	return &daybook.Error{Field: field, Message: fmt.Sprintf("%s does not fit the schema %s: %s", field, s.name, what)}
}

// first returns the error that says most of what is wrong: the first one that has
// no causes.
func first(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	return e
}

// field names a place in the metadata. A name that the schemas do not know can be
// anything, also somebody's address or telephone number.
func (s *Schema) field(location []string) string {
	var b strings.Builder
	b.WriteString("metadata")
	for _, name := range location {
		if !s.names[name] && !isIndex(name) {
			name = "*"
		}
		b.WriteString("." + name)
	}
	return b.String()
}

// isIndex reports whether name is the index of an element, as far as one is worth
// telling.
func isIndex(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil && len(name) <= len(strconv.Itoa(maxValues))-1
}

// explain says what a schema wants, in its words alone.
func explain(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "it is " + article(k.Got) + ", and must be " + article(strings.Join(k.Want, " or "))
	case *kind.Required:
		return "it lacks " + strings.Join(k.Missing, ", ")
	case *kind.AdditionalProperties:
		return fmt.Sprintf("it has %s that the schema does not allow", count(len(k.Properties), "member"))
	case *kind.FalseSchema:
		return "it must not be there"
	case *kind.Enum, *kind.Const:
		return "it is none of the values that the schema allows"
	case *kind.Pattern:
		return "it does not match the pattern " + k.Want
	case *kind.Format:
		return "it is not of the format " + k.Want
	case *kind.MinLength:
		return fmt.Sprintf("it has fewer than %s", count(k.Want, "character"))
	case *kind.MaxLength:
		return fmt.Sprintf("it has more than %s", count(k.Want, "character"))
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return "it does not satisfy " + path[0]
	}
	return "it does not satisfy the schema"
}

func article(word string) string {
	if word == "null" {
		return word
	}
	if strings.HasPrefix(word, "a") || strings.HasPrefix(word, "i") || strings.HasPrefix(word, "o") {
		return "an " + word
	}
	return "a " + word
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// A reading makes of JSON what the checker takes, within bounds.
type reading struct {
	left   int    // how many values it may still have
	excess string // what it has too much of
}

// value returns a value that has so many levels around it, itself included.
func (r *reading) value(raw jsontext.Value, depth int) any {
	switch r.left--; {
	case r.left < 0:
		r.excess = fmt.Sprintf("it has more than %d values", maxValues)
		return nil
	case depth > maxDepth:
		r.excess = fmt.Sprintf("it is nested deeper than %d levels", maxDepth)
		return nil
	}
	switch raw.Kind() {
	case jsontext.KindTrue, jsontext.KindFalse:
		return raw[0] == 't'
	case jsontext.KindString:
		return string(members.Unquote(raw))
	case jsontext.KindNumber:
		return numberOf(string(raw))
	case jsontext.KindBeginObject:
		object := map[string]any{}
		members.Each(raw, func(m members.Member) bool {
			object[string(m.Name)] = r.value(m.Value, depth+1)
			return r.excess == ""
		})
		return object
	case jsontext.KindBeginArray:
		elements := []any{}
		members.EachElement(raw, func(value jsontext.Value) {
			if r.excess == "" {
				elements = append(elements, r.value(value, depth+1))
			}
		})
		return elements
	}
	return nil
}

// maxDigits is the longest number that is compared exactly.
const maxDigits = 64

// numberOf returns a number such that calculating with it is cheap: the checker
// works with fractions, and one such as 1e999999 would have a million digits.
func numberOf(text string) any {
	if len(text) <= maxDigits && !strings.ContainsAny(text, "eE") {
		return json.Number(text)
	}
	n, _ := strconv.ParseFloat(text, 64)
	return max(min(n, math.MaxFloat64), -math.MaxFloat64)
}
