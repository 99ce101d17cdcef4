package serve

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Bucket limits: from a disk with a cache that survives power loss (0.1 ms) to
// one that hangs.
var (
	secondBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	groupBuckets  = prometheus.ExponentialBuckets(1, 4, 9) // 1 … 65,536 events
)

// requestMetrics are what requests are counted in.
type requestMetrics struct {
	requests *prometheus.HistogramVec
	shed     *prometheus.CounterVec
	refused  *prometheus.CounterVec
	unproved *prometheus.CounterVec
	overrun  *prometheus.CounterVec
	lookups  *prometheus.HistogramVec
	dropped  *prometheus.CounterVec
	closed   *prometheus.CounterVec
}

func newRequestMetrics(on promauto.Factory) requestMetrics {
	return requestMetrics{
		requests: on.NewHistogramVec(prometheus.HistogramOpts{
			Name: "daybook_request_seconds", Help: "Time from the first byte of a request to its answer.", Buckets: secondBuckets,
		}, []string{"protocol"}),
		shed: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_requests_shed_total", Help: "Requests turned away because there was too much to do.",
		}, []string{"reason"}),
		refused: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_requests_refused_total", Help: "Requests refused as a whole, before any of their events was looked at by itself.",
		}, []string{"protocol", "reason"}),
		unproved: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_auth_refusals_total", Help: "Requests turned away for their credentials, or for what their caller may not do.",
		}, []string{"protocol", "reason"}),
		overrun: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_quota_refusals_total", Help: "Requests turned away before their body was read, as their caller's quota was used up.",
		}, []string{"caller", "protocol"}),
		lookups: on.NewHistogramVec(prometheus.HistogramOpts{
			Name: "daybook_token_lookup_seconds", Help: "Time to find out about a bearer token that was not remembered, by what came of it.", Buckets: secondBuckets,
		}, []string{"result"}),
		dropped: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_client_dropped_total", Help: "Events that clients say they dropped before sending them.",
		}, []string{"caller", "reason"}),
		closed: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_connections_closed_total", Help: "Connections closed because there were too many: the one idle for longest, or a new one where none was.",
		}, []string{"listener", "which"}),
	}
}

// eventMetrics are what events are counted in on their way to the store.
type eventMetrics struct {
	events   *prometheus.CounterVec
	skewed   *prometheus.CounterVec
	cut      *prometheus.CounterVec
	aside    *prometheus.CounterVec
	decided  *prometheus.CounterVec
	failures *prometheus.CounterVec
}

func newEventMetrics(on promauto.Factory) eventMetrics {
	return eventMetrics{
		events: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_events_total", Help: "Events received, by what became of them.",
		}, []string{"caller", "protocol", "status", "reason"}),
		skewed: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_event_time_skewed_total",
			Help: "Events stored whose time is more than 24 hours after they were received, or 30 days before.",
		}, []string{"caller", "direction"}),
		cut: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_events_truncated_total", Help: "Events stored with a note instead of metadata that was too large.",
		}, []string{"caller", "protocol"}),
		aside: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_events_set_aside_total",
			Help: "Refused events that were to be kept as dead letters: kept, or lost for limits.quarantine or another copy of the id.",
		}, []string{"caller", "result"}),
		decided: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_rule_events_total", Help: "Events that a rule matched, by what it made of them: kept, or the reason.",
		}, []string{"rule", "result"}),
		failures: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_rule_failures_total", Help: "Events about which a rule's match could not be decided; they count as no match.",
		}, []string{"rule", "reason"}),
	}
}

// destinationMetrics are what delivery is counted in.
type destinationMetrics struct {
	attempts *prometheus.CounterVec
	writes   *prometheus.HistogramVec
	unclear  *prometheus.CounterVec
}

func newDestinationMetrics(on promauto.Factory) destinationMetrics {
	return destinationMetrics{
		attempts: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_destination_attempts_total", Help: "Writes to a destination, by what came of them.",
		}, []string{"destination", "class"}),
		writes: on.NewHistogramVec(prometheus.HistogramOpts{
			Name: "daybook_destination_write_seconds", Help: "Time of one write to a destination.", Buckets: secondBuckets,
		}, []string{"destination"}),
		unclear: on.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_destination_where_failures_total", Help: "Events about which where could not be decided; they count as no match.",
		}, []string{"destination", "reason"}),
	}
}

// storeMetrics are what the store is measured by.
type storeMetrics struct {
	appends prometheus.Histogram
	syncs   prometheus.Histogram
	groups  prometheus.Histogram
}

func newStoreMetrics(on promauto.Factory) storeMetrics {
	return storeMetrics{
		appends: on.NewHistogram(prometheus.HistogramOpts{
			Name: "daybook_store_append_seconds", Help: "Time of an append, waiting and sync included.", Buckets: secondBuckets,
		}),
		syncs: on.NewHistogram(prometheus.HistogramOpts{
			Name: "daybook_store_sync_seconds", Help: "Time of one sync of the disk.", Buckets: secondBuckets,
		}),
		groups: on.NewHistogram(prometheus.HistogramOpts{
			Name: "daybook_store_group_events", Help: "Events that shared one sync.", Buckets: groupBuckets,
		}),
	}
}
