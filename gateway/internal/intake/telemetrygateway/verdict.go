package telemetrygateway

import "daybook.dev"

// succeeded reports whether an event needs no further attention from its sender.
// What a sender is not told about it sends again, and instances do so forever:
// therefore they are told yes also about an event that can never become valid,
// once it is kept as a dead letter with the reason. A managed service has people
// who look after its failures.
func succeeded(source Source, o *daybook.Outcome) bool {
	switch o.Status {
	case daybook.Stored, daybook.Duplicate, daybook.Dropped:
		return true
	case daybook.Refused:
		switch code := daybook.CodeOf(o.Err); {
		case code == daybook.Conflict: // the first copy is there, and stays
			return true
		case o.Durability == daybook.NotDurable: // not kept: sent again, it may be
			return false
		case code == daybook.TooLarge, o.Reason == reasonEventTooLarge:
			return true
		}
		return source != ManagedService
	}
	return false
}
