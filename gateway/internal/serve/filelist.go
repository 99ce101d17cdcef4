package serve

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// A fileItem is one element of a list as the file has it.
type fileItem struct {
	at     string               // daybook.yaml:3:5
	values map[string]fileValue // by key name
}

// readList reads a list of mappings whose keys are the fields of a struct. key is
// the list's own, such as rules.
func (r *fileReader) readList(key string, keys keyTable, node ast.Node) (items []fileItem) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.SequenceNode:
		for i, element := range n.Values {
			inner := fileReader{name: r.name, expand: r.expand, keys: keys, below: itemKey(key, i, "")}
			inner.values = map[string]fileValue{}
			switch element.(type) {
			case *ast.MappingNode, *ast.MappingValueNode:
				inner.section("", element)
			default:
				inner.problem(element, "%s.%d: must hold keys such as %s", key, i+1, keys[0].Name)
			}
			r.problems = append(r.problems, inner.problems...)
			items = append(items, fileItem{at: r.place(element), values: inner.values})
		}
	default:
		r.problem(node, "%s: must be a list: each element begins with a dash, and holds keys such as %s", key, keys[0].Name)
	}
	return items
}

// itemKey is the full name of a key of an element: "rules.1.match". Elements are
// counted from 1.
func itemKey(list string, index int, name string) string {
	return list + "." + strconv.Itoa(index+1) + "." + name
}

// itemsOf returns what the file says in a list, as structs. Origins get the place
// of each key, and of each element.
func itemsOf[T any](list string, items []fileItem, origins Origins) (all []T, problems []error) {
	keys := itemKeys[T]()
	for i, item := range items {
		var element T
		for _, k := range keys {
			value, ok := item.values[k.Name]
			if !ok {
				continue
			}
			name := itemKey(list, i, k.Name)
			origins[name] = value.at
			if err := k.set(&element, value.text); err != nil {
				problems = append(problems, fmt.Errorf("%s: %s: %w", value.at, name, err))
			}
		}
		origins[list+"."+strconv.Itoa(i+1)] = item.at
		all = append(all, element)
	}
	return all, problems
}

// itemKeys are the keys of the elements of a list.
func itemKeys[T any]() keyTable { return keysOf(reflect.TypeFor[T](), "", nil) }

// completedItems returns a list with every zero field of its elements set to its
// default.
func completedItems[T any](list []T) []T {
	if list == nil {
		return nil
	}
	all := make([]T, len(list))
	for i := range list {
		all[i] = list[i]
		for _, k := range itemKeys[T]() {
			k.setDefault(&all[i])
		}
	}
	return all
}

// placedItem names the key of an element that an error is about, and where it was
// set.
func placedItem(err error, from Origins, list string, index int, key string) error {
	name := itemKey(list, index, key)
	if key == "" {
		name = list + "." + strconv.Itoa(index+1)
	}
	at := from[name]
	if at == "" {
		at = from[list+"."+strconv.Itoa(index+1)]
	}
	if at == "" {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %s: %w", at, name, err)
}
