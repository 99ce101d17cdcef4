package query

import (
	"bufio"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
)

// maxPublishers is how many publishers are remembered: some megabytes of names.
const maxPublishers = 10_000

// Publishers remembers within which scopes, beside those of the callers, events
// were received, so that an event is found by its id alone. They are kept in a file
// with one quoted name on each line. It is a convenience and never synced: whoever
// knows the name of a publisher that is not remembered still finds its events. It
// is safe for concurrent use.
type Publishers struct {
	mu    sync.RWMutex
	known map[string]bool // guarded by mu, like file
	file  *os.File        // nil = they are not kept
}

// OpenPublishers reads the file, and makes it where there is none. After an error
// the publishers are usable all the same, but for what could not be read or kept.
func OpenPublishers(path string) (*Publishers, error) {
	p := &Publishers{known: map[string]bool{}}
	err := p.read(path)
	file, openErr := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if openErr == nil {
		p.file = file
	}
	return p, errors.Join(err, openErr)
}

func (p *Publishers) read(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() && len(p.known) < maxPublishers {
		if scope, err := strconv.Unquote(lines.Text()); err == nil { // the last line may be cut short
			p.known[scope] = true
		}
	}
	return lines.Err()
}

// Note remembers a scope. The error says that it is not kept beyond this run.
func (p *Publishers) Note(scope string) error {
	p.mu.RLock()
	known := p.known[scope] || len(p.known) >= maxPublishers
	p.mu.RUnlock()
	if known {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[scope] || len(p.known) >= maxPublishers {
		return nil
	}
	p.known[scope] = true
	if p.file == nil {
		return nil
	}
	_, err := p.file.WriteString(strconv.Quote(scope) + "\n")
	return err
}

// Scopes returns those that are remembered, sorted.
func (p *Publishers) Scopes() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Sorted(maps.Keys(p.known))
}

// Close closes the file. What is noted later is forgotten with the process.
func (p *Publishers) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	file := p.file
	p.file = nil
	return file.Close()
}
