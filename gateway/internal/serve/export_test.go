package serve

import "github.com/prometheus/client_golang/prometheus"

// Metrics describes all that the gateway counts.
func (g *Gateway) Metrics() prometheus.Collector { return g.metrics.registry }
