package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/deliver"
	"daybook.dev/gateway/internal/ledger"
)

// deliveryStats shows the state of delivery at each scrape. The counts are those
// of the cursors: they survive a restart.
type deliveryStats struct {
	status       func() []deliver.Status
	letters      func() (byDestination map[string]int, t deadletter.Totals)
	destinations []*opened
}

var (
	destinationEvents = prometheus.NewDesc("daybook_destination_events_total",
		"Events that a destination is done with, by how they ended. A dead letter that is delivered after all counts as both.", []string{"destination", "result"}, nil)
	deadLetters = prometheus.NewDesc("daybook_dead_letters",
		"Dead letters that are open; without a destination, those that the gateway itself set aside.", []string{"destination"}, nil)
	destinationQueued = prometheus.NewDesc("daybook_destination_queued_events",
		"Events stored that a destination is not done with.", []string{"destination"}, nil)
	destinationLag = prometheus.NewDesc("daybook_destination_lag_seconds",
		"How long ago the oldest event was received that a destination is not done with.", []string{"destination"}, nil)
	destinationOpen = prometheus.NewDesc("daybook_destination_breaker_open",
		"1 while a destination fails and only probes are sent to it.", []string{"destination"}, nil)
	destinationTruncated = prometheus.NewDesc("daybook_destination_truncated_total",
		"Values cut because the destination takes no longer ones.", []string{"destination"}, nil)
	destinationMisconfigured = prometheus.NewDesc("daybook_destination_misconfigured",
		"1 while a destination takes nothing until a person acts.", []string{"destination"}, nil)
)

// imbalance is what the ledger cannot explain.
func imbalance(l *ledger.Ledger) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "daybook_ledger_imbalance_events", Help: "Events that the ledger cannot explain: anything but 0 is a mistake of the gateway.",
	}, func() float64 { return float64(l.Report().Imbalance) })
}

// Describe implements [prometheus.Collector].
func (s deliveryStats) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{destinationEvents, destinationQueued, destinationLag, destinationOpen, destinationMisconfigured, destinationTruncated, deadLetters} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (s deliveryStats) Collect(to chan<- prometheus.Metric) {
	now := time.Now()
	for _, d := range s.status() {
		for result, n := range map[string]uint64{
			"delivered": d.Delivered, "dead": d.Dead + d.Retried, "filtered": d.Filtered, "evicted": d.Evicted,
		} {
			to <- prometheus.MustNewConstMetric(destinationEvents, prometheus.CounterValue, float64(n), d.Name, result)
		}
		gauge := func(desc *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, d.Name)
		}
		gauge(destinationQueued, float64(d.Queued))
		gauge(destinationLag, d.Lag(now).Seconds())
		gauge(destinationOpen, oneIf(d.State == deliver.StateOpen || d.State == deliver.StateRetrying))
		gauge(destinationMisconfigured, oneIf(d.State == deliver.StateMisconfigured))
	}
	open, _ := s.letters()
	if _, some := open[""]; !some {
		open[""] = 0
	}
	for _, d := range s.destinations {
		if _, some := open[d.Name]; !some {
			open[d.Name] = 0
		}
	}
	for name, n := range open {
		to <- prometheus.MustNewConstMetric(deadLetters, prometheus.GaugeValue, float64(n), name)
	}
	for _, d := range s.destinations {
		if cutter, cuts := d.sink.(interface{ Truncated() uint64 }); cuts {
			to <- prometheus.MustNewConstMetric(destinationTruncated, prometheus.CounterValue, float64(cutter.Truncated()), d.Name)
		}
	}
}
