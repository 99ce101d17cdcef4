package serve

import (
	"errors"
	"reflect"
	"strings"
	"sync"
)

// A change puts one part of a new configuration into effect. It cannot fail:
// what can was done when it was prepared.
type change func()

// A reloading is what can be changed while the gateway runs, and by whom.
type reloading struct {
	inputs *Inputs // where the configuration comes from; nil = it cannot be read again

	// prepare is set while the gateway opens, one for each part. A part makes
	// what it needs of a new configuration; all parts change, or none does.
	prepare []func(Config) (change, error)

	mu    sync.Mutex // one reload at a time
	watch *FileWatch // guarded by mu: of what the last reload has read; nil = nobody watches
}

// onReload lets a part take a new configuration while the gateway runs. prepare
// has no effect; after it returned no error, the change it returned is called if
// every other part is prepared as well. Call it while the gateway opens.
func (g *Gateway) onReload(prepare func(c Config) (change func(), err error)) {
	g.reloading.prepare = append(g.reloading.prepare, func(c Config) (change, error) { return prepare(c) })
}

// Reload reads the configuration again and puts into effect what can change
// while the gateway runs: docs/operating.md lists it. Nil means that this is
// done. After an error everything is as before, and the error has been logged:
// nobody else looks at a reload that a file caused. What takes a restart is
// logged as a warning.
func (g *Gateway) Reload() error {
	r := &g.reloading
	if r.inputs == nil {
		return errors.New("reload: this gateway has no configuration to read again")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fixed, err := g.reload()
	g.metrics.countReload(err == nil)
	if err != nil {
		g.log.Error("configuration not reloaded; the one before stays in effect", "err", err)
		return err
	}
	g.log.Info("configuration reloaded")
	if len(fixed) > 0 {
		g.log.Warn("some of the new configuration takes a restart", "keys", strings.Join(fixed, ", "))
	}
	return nil
}

// reload returns the keys whose new values take a restart.
func (g *Gateway) reload() (fixed []string, err error) {
	c, from, err := g.reloading.load()
	if err != nil {
		return nil, err
	}
	if problems := c.Problems(from); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	var changes []change
	var problems []error
	for _, prepare := range g.reloading.prepare {
		change, err := prepare(c)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		changes = append(changes, change)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for _, change := range changes {
		change()
	}
	return fixedChanges(g.config, c), nil
}

// load loads the configuration, and watches from now on what it was read from.
func (r *reloading) load() (Config, Origins, error) {
	in := *r.inputs
	if in.Watch != nil {
		in.Watch = &FileWatch{}
		r.watch = in.Watch
	}
	return Load(in)
}

// fixedChanges lists the keys that have other values in c than the gateway was
// opened with, and that stay as they were until it is opened again.
func fixedChanges(opened, c Config) []string {
	var keys []string
	for _, k := range Keys() {
		if !k.live && !reflect.DeepEqual(k.in(&opened).Interface(), k.in(&c).Interface()) {
			keys = append(keys, k.Name)
		}
	}
	if !reflect.DeepEqual(opened.Destinations, c.Destinations) {
		keys = append(keys, destinationsKey)
	}
	return keys
}
