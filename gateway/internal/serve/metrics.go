package serve

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/caller"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/rule"
	"daybook.dev/gateway/internal/store/direct"
	"daybook.dev/gateway/internal/store/journal"
)

// metrics are what the gateway counts. Labels are bounded: callers are
// configured, protocols, statuses and reasons are ours. Never an event's name.
type metrics struct {
	registry *prometheus.Registry
	reloaded prometheus.Gauge

	requestMetrics
	eventMetrics
	destinationMetrics
	storeMetrics
}

func newMetrics(b Build) *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	on := promauto.With(registry)
	on.NewGauge(prometheus.GaugeOpts{
		Name: "daybook_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go},
	}).Set(1)
	m := &metrics{
		registry: registry,
		reloaded: on.NewGauge(prometheus.GaugeOpts{
			Name: "daybook_config_reload_ok", Help: "1 when the configuration was last read without a problem, 0 when the one before is still in effect.",
		}),

		requestMetrics:     newRequestMetrics(on),
		eventMetrics:       newEventMetrics(on),
		destinationMetrics: newDestinationMetrics(on),
		storeMetrics:       newStoreMetrics(on),
	}
	m.reloaded.Set(1)
	return m
}

// handler serves the metrics as Prometheus reads them.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// observeJournal is what the journal reports to.
func (m *metrics) observeJournal() journal.Observer {
	return journal.Observer{
		Append: func(d time.Duration) { m.appends.Observe(d.Seconds()) },
		Sync:   func(d time.Duration) { m.syncs.Observe(d.Seconds()) },
		Group:  func(events int) { m.groups.Observe(float64(events)) },
	}
}

// count adds the outcomes of a batch. Most batches have one outcome throughout,
// so equal neighbours are added together.
func (m *metrics) count(b accept.Batch, outcomes []daybook.Outcome) {
	for start, i := 0, 0; i < len(outcomes); start = i {
		first := &outcomes[start]
		for i < len(outcomes) && outcomes[i].Status == first.Status && outcomes[i].Reason == first.Reason {
			i++
		}
		m.events.WithLabelValues(b.Caller.Name, b.Protocol, first.Status.String(), first.Reason).Add(float64(i - start))
	}
	for i := range outcomes {
		if b.Events[i].Truncated && outcomes[i].Status == daybook.Stored {
			m.cut.WithLabelValues(b.Caller.Name, b.Protocol).Inc()
		}
	}
}

// countReload is told what came of reading the configuration again.
func (m *metrics) countReload(ok bool) {
	m.reloaded.Set(0)
	if ok {
		m.reloaded.Set(1)
	}
}

// watchExpiry shows the moment at which a listener's certificate expires.
func (m *metrics) watchExpiry(key string, expires func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "daybook_tls_expires_timestamp_seconds", Help: "When a listener's certificate expires, in seconds since 1970.",
		ConstLabels: prometheus.Labels{"listener": strings.TrimSuffix(key, ".tls")},
	}, func() float64 { return float64(expires().Unix()) }))
}

// countShed is told why a request was turned away.
func (m *metrics) countShed(reason string) { m.shed.WithLabelValues(reason).Inc() }

// countRefused is told of requests that were refused as a whole. They have no
// outcomes, and are in no other counter.
func (m *metrics) countRefused(r intake.Refusal) {
	m.refused.WithLabelValues(r.Protocol, r.Err.Reason).Inc()
}

// countAuthRefusal is told of requests that are turned away for who sent them.
func (m *metrics) countAuthRefusal(f caller.Refusal) {
	if f.Err.Reason == caller.ReasonQuota {
		m.overrun.WithLabelValues(f.Caller, f.Protocol).Inc()
		return
	}
	m.unproved.WithLabelValues(f.Protocol, f.Err.Reason).Inc()
}

// countClientDrops is told what a client reports to have dropped.
func (m *metrics) countClientDrops(caller, reason string, events uint64) {
	m.dropped.WithLabelValues(caller, reason).Add(float64(events))
}

// countAttempt is told of each write to a destination that is followed.
func (m *metrics) countAttempt(destination string, _ int, class attempt.Class, took time.Duration) {
	m.attempts.WithLabelValues(destination, class.String()).Inc()
	m.writes.WithLabelValues(destination).Observe(took.Seconds())
}

// countUnclear is told of events that a destination's where says nothing about.
func (m *metrics) countUnclear(destination string) func(rule.Failure) {
	return func(f rule.Failure) { m.unclear.WithLabelValues(destination, string(f)).Inc() }
}

// countDecided is told of the events that a rule matched.
func (m *metrics) countDecided(rule string) func(reason string) {
	kept := m.decided.WithLabelValues(rule, "kept")
	return func(reason string) {
		if reason == "" {
			kept.Inc()
			return
		}
		m.decided.WithLabelValues(rule, reason).Inc()
	}
}

// countUndecided is told of events that a rule's match says nothing about.
func (m *metrics) countUndecided(name string) func(rule.Failure) {
	return func(f rule.Failure) { m.failures.WithLabelValues(name, string(f)).Inc() }
}

// observeDirect is what a destination that is the store reports to.
func (m *metrics) observeDirect() direct.Observer {
	return direct.Observer{
		Append: func(d time.Duration) { m.appends.Observe(d.Seconds()) },
		Write:  func(d time.Duration) { m.syncs.Observe(d.Seconds()) },
		Group:  func(events int) { m.groups.Observe(float64(events)) },
	}
}

// countForward is told what came of an attempt that a caller waited for.
func (m *metrics) countForward(destination string, err error) {
	m.attempts.WithLabelValues(destination, attempt.ClassOf(err).String()).Inc()
}

// countSkewed is told of events whose time is far from the clock.
func (m *metrics) countSkewed(b accept.Batch, skew admit.Skew, events int) {
	m.skewed.WithLabelValues(b.Caller.Name, skew.String()).Add(float64(events))
}

// countSetAside is told whether a refused event that was to be kept is.
func (m *metrics) countSetAside(b accept.Batch, kept bool) {
	result := "lost"
	if kept {
		result = "kept"
	}
	m.aside.WithLabelValues(b.Caller.Name, result).Inc()
}

// timed measures the requests of one protocol.
func (m *metrics) timed(protocol string, next http.Handler) http.Handler {
	seconds := m.requests.WithLabelValues(protocol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		next.ServeHTTP(w, r)
		seconds.Observe(time.Since(begin).Seconds())
	})
}
