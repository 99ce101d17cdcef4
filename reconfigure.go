package daybook

import (
	"context"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"time"

	"daybook.dev/internal/direct"
	"daybook.dev/internal/spool"
)

// openLanes returns the lanes that cfg asks for: those of old that are still
// wanted, and new ones. Nothing of old is changed.
func (co *core) openLanes(cfg *Config, old []*lane) (lanes []*lane, err error) {
	sinks, err := co.sinksOf(cfg)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(sinks))
	for name := range sinks {
		names = append(names, name)
	}
	sort.Strings(names)
	settings := co.settings.current()
	for _, name := range names {
		if l := laneOf(old, name); l != nil {
			lanes = append(lanes, l)
			continue
		}
		l := co.openLane(cfg, name, sinks[name])
		l.configureNew(cfg, settings)
		lanes = append(lanes, l)
	}
	return lanes, nil
}

func laneOf(lanes []*lane, name string) *lane {
	for _, l := range lanes {
		if l.name == name {
			return l
		}
	}
	return nil
}

// sinksOf returns the sinks that cfg names, with the gateway.
func (co *core) sinksOf(cfg *Config) (map[string]Sink, error) {
	sinks := make(map[string]Sink, len(cfg.Sinks)+1)
	maps.Copy(sinks, cfg.Sinks)
	if cfg.Gateway != "" {
		s, err := cfg.targetOf(co.settings.current()).open()
		if err != nil {
			return nil, err
		}
		sinks[gatewaySink] = s
	}
	return sinks, nil
}

// openLane opens a lane with its spool. A spool that cannot be opened is no
// reason not to record: it is reported, and events wait in memory only.
func (co *core) openLane(cfg *Config, name string, sink Sink) *lane {
	l := co.newLane(name, hold(sink), nil)
	_, l.direct = sink.(direct.Sink)
	if cfg.Spool.Dir == "" || l.direct {
		return l
	}
	s, err := spool.Open(spool.Options{
		Dir: filepath.Join(cfg.Spool.Dir, name), Bytes: cfg.Spool.Bytes, Age: cfg.Spool.Age, Evicted: l.evicted,
	})
	if err != nil {
		co.reporter.trouble(name, err)
		return l
	}
	l.spool, l.adopted = s, time.Now()
	return l
}

// configureNew is configure for a lane that nobody has seen yet, and takes over
// what earlier processes have left. Its worker is started by wake.
func (l *lane) configureNew(cfg *Config, s *Settings) {
	l.configure(cfg, s)
	if l.spool != nil {
		l.adopt()
	}
}

// Reconfigure makes the client record as cfg says. What is new is built first,
// then taken into use at once, then what it replaces is drained until ctx ends:
// no event is lost on the way. Calls take turns. After an error the client goes
// on as before, unless it is an [*UndeliveredError]: then the new configuration
// is in use, and the error says what the sinks that it does not name any more
// have not got. A configuration like the one in use, and a disabled client,
// change nothing. The directory of the spool cannot be changed, nor given to a
// client that was opened without one.
func (c *Client) Reconfigure(ctx context.Context, cfg Config) error {
	if c == nil || c.core == nil || c.core.off != "" {
		return nil
	}
	cfg, err := complete(cfg)
	if err != nil {
		return err
	}
	co := c.core
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(co.ending, cancel)()
	if err := co.take(ctx); err != nil {
		return err
	}
	defer co.yield()
	if co.closing.Load() {
		return ErrClosed
	}
	old := co.state.Load()
	if why := cfg.optedOut(); why != "" {
		co.switchOff(old, why)
		return nil
	}
	if old.off == "" && old.cfg.same(&cfg) {
		return nil
	}
	if old.cfg.Spool.Dir != cfg.Spool.Dir {
		return configError("spool", "spool_moved", "the directory of the spool cannot be changed while the client is open")
	}
	return co.replace(ctx, old, &cfg)
}

// switchOff stops recording: what waits in memory is dropped, what is on disk
// stays there, and nothing is sent, not even to ask for settings.
func (co *core) switchOff(old *state, why string) {
	co.stop()
	off := *old
	off.off = why
	co.state.Store(&off)
	for _, l := range old.lanes {
		l.clear(optedOut)
	}
}

// clear drops what waits in memory, but for what is being sent.
func (l *lane) clear(why reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != nil {
		l.seal()
	}
	l.forgetSealed(why)
	l.notify()
}

// replace builds, swaps and drains.
func (co *core) replace(ctx context.Context, old *state, cfg *Config) error {
	lanes, err := co.openLanes(cfg, old.lanes)
	if err != nil {
		return err
	}
	next := &state{cfg: *cfg, fields: co.baseFields(cfg), lanes: lanes}
	var gone []*lane
	for _, l := range old.lanes {
		if !slices.Contains(lanes, l) {
			l.lend(cfg)
			gone = append(gone, l)
		}
	}
	co.retiredMu.Lock()
	co.leaving = append(co.leaving, gone...)
	co.state.Store(next)
	co.retiredMu.Unlock()

	settings := co.settings.current()
	for _, l := range lanes {
		if slices.Contains(old.lanes, l) {
			if s := co.otherSink(l, old, cfg); s != nil {
				co.exchange(ctx, l, s, cfg)
			}
			l.configure(cfg, settings)
			continue
		}
		l.wake()
	}
	another := !sameSource(old.cfg.Settings, cfg.Settings) ||
		cfg.Settings == nil && (old.cfg.Gateway != cfg.Gateway || old.cfg.Key != cfg.Key)
	if another {
		co.settings.now.Store(&Settings{})
	}
	if another || old.off != "" {
		co.rewatch(cfg)
	}
	left := closeAll(ctx, gone, closed)
	co.retire(gone)
	return left.orNil()
}

// otherSink returns the sink that a lane shall have instead of its own, or nil.
func (co *core) otherSink(l *lane, old *state, cfg *Config) Sink {
	given, named := cfg.Sinks[l.name]
	if named {
		l.mu.Lock()
		defer l.mu.Unlock()
		if sameSink(l.sink.sink, given) {
			return nil
		}
		return given
	}
	s := co.settings.current()
	to := cfg.targetOf(s)
	if _, wasNamed := old.cfg.Sinks[l.name]; !wasNamed && to == old.cfg.targetOf(s) {
		return nil
	}
	sink, err := to.open()
	if err != nil {
		return nil // complete and targetOf have looked: it cannot be
	}
	return sink
}

// exchange swaps the sink of a lane and closes the one before, unless another
// lane has it now.
func (co *core) exchange(ctx context.Context, l *lane, s Sink, cfg *Config) {
	before := l.swap(hold(s))
	if cfg.has(before.sink) {
		before.retire()
		return
	}
	if err := before.close(ctx); err != nil {
		co.reporter.trouble(l.name, err)
	}
}

// moveGateway gives the gateway's lane a new sink where settings move it.
func (co *core) moveGateway(ctx context.Context, cfg *Config, s *Settings) error {
	if cfg.Gateway == "" {
		return nil
	}
	to := cfg.targetOf(s)
	if to == cfg.targetOf(co.settings.current()) {
		return nil
	}
	l := laneOf(co.state.Load().lanes, gatewaySink)
	sink, err := to.open()
	if err != nil || l == nil {
		return err
	}
	co.exchange(ctx, l, sink, cfg)
	return nil
}

// rewatch watches the source of settings that cfg names.
func (co *core) rewatch(cfg *Config) {
	co.stop()
	ctx, stop := context.WithCancel(co.ending)
	co.stop = stop
	source := co.loadSettings(cfg)
	settings := co.settings.current()
	for _, l := range co.state.Load().lanes {
		l.configure(cfg, settings)
	}
	co.watch(ctx, source)
}

// retire keeps the counts of lanes that are gone.
func (co *core) retire(gone []*lane) {
	co.retiredMu.Lock()
	defer co.retiredMu.Unlock()
	for _, l := range gone {
		counted := l.snapshot()
		if before, ok := co.retired[l.name]; ok {
			counted.add(&before)
		}
		co.retired[l.name] = counted
	}
	co.leaving = slices.DeleteFunc(co.leaving, func(l *lane) bool { return slices.Contains(gone, l) })
}

// reclaim takes as many of n events that a lane has found on disk out of the
// counts of the sink of that name, as an earlier lane of this client had left
// there, and returns how many. They are counted where they are now.
func (co *core) reclaim(name string, n int) int {
	co.retiredMu.Lock()
	defer co.retiredMu.Unlock()
	before := co.retired[name]
	ours := max(0, min(n, before.spooled))
	before.spooled -= ours
	before.recorded -= uint64(ours)
	if ours > 0 {
		co.retired[name] = before
	}
	return ours
}

// has reports whether the configuration names the sink, under whatever name.
func (cfg *Config) has(s Sink) bool {
	for _, named := range cfg.Sinks {
		if sameSink(named, s) {
			return true
		}
	}
	return false
}

// sameSink reports whether two sinks are one. Some kinds cannot be compared;
// those are taken for different.
func sameSink(a, b Sink) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	return va.IsValid() && vb.IsValid() && va.Comparable() && vb.Comparable() && a == b
}

func sameSource(a, b SettingsSource) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	if va.Comparable() && vb.Comparable() {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// same reports whether two configurations mean the same. Functions cannot be
// compared: with one, a configuration is taken for another.
func (cfg *Config) same(other *Config) bool {
	a, b := *cfg, *other
	if a.OptOut != nil || b.OptOut != nil || a.OnDrop != nil || b.OnDrop != nil || a.Now != nil || b.Now != nil {
		return false
	}
	if a.Logger != b.Logger || !sameSource(a.Settings, b.Settings) || len(a.Sinks) != len(b.Sinks) {
		return false
	}
	for name, s := range a.Sinks {
		if other, ok := b.Sinks[name]; !ok || !sameSink(s, other) {
			return false
		}
	}
	// What is left is plain data, but for what attributes may hold.
	a.Logger, a.Settings, a.Sinks = nil, nil, nil
	b.Logger, b.Settings, b.Sinks = nil, nil, nil
	return reflect.DeepEqual(a, b)
}
