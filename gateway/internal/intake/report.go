package intake

import (
	"net/http"
	"strconv"
	"strings"
)

// ClientReportHeader is where a client says how many events it dropped before
// they reached the gateway, as pairs reason=count separated by commas.
const ClientReportHeader = "Daybook-Client-Report"

const (
	maxReportBytes = 1 << 10
	maxReportPairs = 32
	maxReportCount = 1_000_000_000 // in one report; more is a broken counter
)

// A Drop is one pair of a client's report.
type Drop struct {
	Reason string
	Events uint64
}

// clientReasons are the words that may become labels of metrics. Any other is
// counted as "other": labels must stay few, whatever clients make up.
var clientReasons = map[string]bool{
	"queue_full": true, "spool_full": true, "expired": true, "sampled": true, "opted_out": true,
	"killed": true, "too_large": true, "invalid": true, "refused": true, "closed": true, "failed": true, "other": true,
}

// ClientReport parses the report of a request. A report that is not exactly as
// described counts for nothing: it is about events that are gone, and must not
// cost those that are here.
func ClientReport(h http.Header) []Drop {
	values := h[ClientReportHeader]
	if len(values) != 1 || len(values[0]) > maxReportBytes {
		return nil
	}
	pairs := strings.Split(values[0], ",")
	if len(pairs) > maxReportPairs {
		return nil
	}
	drops := make([]Drop, 0, len(pairs))
	for _, pair := range pairs {
		reason, count, found := strings.Cut(strings.TrimSpace(pair), "=")
		events, err := strconv.ParseUint(count, 10, 64)
		if !found || reason == "" || err != nil || events > maxReportCount {
			return nil
		}
		if !clientReasons[reason] {
			reason = "other"
		}
		drops = append(drops, Drop{Reason: reason, Events: events})
	}
	return drops
}
