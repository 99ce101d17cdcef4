package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"

	"github.com/goccy/go-yaml/ast"

	"daybook.dev/gateway/internal/keyring"
)

// callerKeys are the keys of one caller.
func callerKeys() keyTable { return keysOf(reflect.TypeFor[Caller](), "", nil) }

// A fileCaller is one caller as the file has it.
type fileCaller struct {
	at     string               // daybook.yaml:3:5
	values map[string]fileValue // by key name
}

// readCallers reads the list of callers.
func (r *fileReader) readCallers(node ast.Node) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.SequenceNode:
		for i, item := range n.Values {
			r.readCaller(i, item)
		}
	default:
		r.problem(node, "callers: must be a list, with - name: NAME for each caller")
	}
}

func (r *fileReader) readCaller(i int, node ast.Node) {
	name := memberText(node, "name")
	if name == "" {
		r.problem(node, "%s[%d]: has no name: every caller needs one", callersKey, i)
		return
	}
	below := callersKey + "." + name + "."
	inner := fileReader{name: r.name, expand: r.expand, keys: callerKeys(), below: below}
	inner.values = map[string]fileValue{}
	inner.section("", node)
	r.problems = append(r.problems, inner.problems...)
	r.callers = append(r.callers, fileCaller{at: r.place(node), values: inner.values})
}

// caller returns what the file says about one. Origins get the place of each key.
func (f fileCaller) caller(origins Origins) (Caller, []error) {
	var c Caller
	var problems []error
	c.Name = f.values["name"].text // the origins of the others need it
	for _, key := range callerKeys() {
		value, ok := f.values[key.Name]
		if !ok {
			continue
		}
		origins[c.key(key.Name)] = value.at
		if err := key.set(&c, value.text); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", value.at, c.key(key.Name), err))
		}
	}
	origins[callersKey+"."+c.Name] = f.at
	return c, problems
}

// completedCaller returns c with every zero field set to its default.
func completedCaller(c Caller) Caller {
	for _, key := range callerKeys() {
		key.setDefault(&c)
	}
	return c
}

// kept reads the file of callers. It is named on purpose, so it must be there: a
// gateway that was started before it could not tell whom to let in.
func (in Inputs) kept(path string) (keyring.Ring, error) {
	if path == "" {
		return nil, nil
	}
	text, err := in.readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("callers_file: %s is not there: daybook keys create NAME makes it, with the key of a first caller", path)
	}
	if err != nil {
		return nil, fmt.Errorf("callers_file: %w", err)
	}
	ring, err := keyring.Parse(path, text)
	if err != nil {
		return nil, fmt.Errorf("callers_file: %w", err)
	}
	return ring, nil
}
