package serve

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// decidingKeys are those that decide about events.
var decidingKeys = []string{redactKey, rulesKey, schemasKey}

// A fileSchema is one schema as the file has it: the name of a file, or itself.
type fileSchema struct {
	name string
	at   string
	file string
	text json.RawMessage
}

// readRules reads one of the lists and mappings that decide about events.
func (r *fileReader) readRules(key string, node ast.Node) {
	switch {
	case r.passOver:
	case key == redactKey:
		r.redact = r.readList(key, itemKeys[Redaction](), node)
	case key == rulesKey:
		r.rules = r.readList(key, itemKeys[Rule](), node)
	case key == schemasKey:
		r.readSchemas(node)
	}
}

// readSchemas reads the mapping from names to schemas.
func (r *fileReader) readSchemas(node ast.Node) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.MappingNode:
		for _, entry := range n.Values {
			r.readSchema(entry)
		}
	case *ast.MappingValueNode:
		r.readSchema(n)
	default:
		r.problem(node, "%s: must hold a name for each schema, and below it file: or the schema itself", schemasKey)
	}
}

// readSchema reads one. A mapping with the one key file names where it is.
func (r *fileReader) readSchema(entry *ast.MappingValueNode) {
	s := fileSchema{name: entry.Key.GetToken().Value, at: r.place(entry.Key)}
	below := schemasKey + "." + s.name
	if !destinationName.MatchString(s.name) {
		r.problem(entry.Key, "%s: a schema's name has small letters, digits, - and _, and begins with a letter", below)
		return
	}
	var value any
	if err := yaml.NodeToValue(entry.Value, &value); err != nil {
		r.problem(entry.Value, "%s: must hold file: or the schema itself", below)
		return
	}
	object, ok := value.(map[string]any)
	file, named := object["file"].(string)
	switch {
	case !ok:
		r.problem(entry.Value, "%s: must hold file: or the schema itself", below)
		return
	case named && len(object) == 1:
		expanded, err := r.expand.text(file)
		if err != nil {
			r.problem(entry.Value, "%s.file: %w", below, err)
			return
		}
		s.file = expanded
	default:
		text, err := json.Marshal(object) // sorted: the same schema is the same text
		if err != nil {
			r.problem(entry.Value, "%s: %w", below, err)
			return
		}
		s.text = text
	}
	r.schemas = append(r.schemas, s)
}

// setRules sets what the file says about what is decided of events. Origins get the
// place of each key.
func (f *fileContent) setRules(c *Config, in Inputs, origins Origins) []error {
	var problems, more []error
	c.Redact, more = itemsOf[Redaction](redactKey, f.redact, origins)
	problems = append(problems, more...)
	c.Rules, more = itemsOf[Rule](rulesKey, f.rules, origins)
	problems = append(problems, more...)
	for _, s := range f.schemas {
		key := schemasKey + "." + s.name
		origins[key] = s.at
		if s.file != "" {
			text, err := in.readFile(s.file)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %s.file: %w", s.at, key, err))
				continue
			}
			s.text = text
		}
		c.Schemas = append(c.Schemas, Schema{Name: s.name, File: s.file, Text: slices.Clone(s.text)})
	}
	return problems
}
