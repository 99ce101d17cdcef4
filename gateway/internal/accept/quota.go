package accept

import "daybook.dev"

// overQuota answers a batch that its caller may not send now: every event failed,
// whatever else is wrong with it, and none was stored. Sending the batch again
// later is what the caller is asked for.
func (a *Accepter) overQuota(b Batch, outcomes []daybook.Outcome, err *daybook.Error) []daybook.Outcome {
	for i := range outcomes {
		outcomes[i] = failed(b.Events[i].Event.ID, i, err)
	}
	if a.Observe != nil {
		a.Observe(b, outcomes)
	}
	return outcomes
}
