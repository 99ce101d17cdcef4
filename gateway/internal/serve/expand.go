package serve

import (
	"errors"
	"fmt"
	"strings"
)

// An expander replaces ${NAME}, ${NAME:-default} and ${file:/path} inside
// values, after the file was parsed: what is inserted can never become a key.
type expander struct {
	env      func(name string) (string, bool)
	readFile func(path string) ([]byte, error)
}

var errUnclosed = errors.New("${ has no closing }")

// text returns s with every reference replaced once; what is inserted is not
// looked at again. $${ stands for ${ itself.
func (e expander) text(s string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			b.WriteString(s)
			return b.String(), nil
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString(before[:len(before)-1] + "${")
			s = rest
			continue
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errUnclosed
		}
		value, err := e.reference(reference)
		if err != nil {
			return "", err
		}
		b.WriteString(before + value)
		s = after
	}
}

func (e expander) reference(ref string) (string, error) {
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		content, err := e.readFile(path)
		if err != nil {
			return "", fmt.Errorf("${file:…}: %w", err)
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
	name, otherwise, hasDefault := strings.Cut(ref, ":-")
	if name == "" {
		return "", errors.New("${} names no environment variable")
	}
	if value, ok := e.env(name); ok {
		return value, nil
	}
	if hasDefault {
		return otherwise, nil
	}
	return "", fmt.Errorf("${%s}: the environment variable is not set (write ${%s:-} for an empty default)", name, name)
}
