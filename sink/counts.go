package sink

// Counts says what became of the events handed to a sink since it was opened:
// Delivered + Failed is the number of events of all Writes that have returned,
// but for those that were over before they began, by their context or by Close.
type Counts struct {
	// Delivered events were acknowledged while their Write waited.
	Delivered uint64

	// Failed events are those that a Write has reported: refused, failed, or
	// not answered in time.
	Failed uint64

	// Late events were acknowledged when their Write had given up on them. They
	// are counted in Failed as well, and whoever sends them again makes a copy.
	Late uint64
}
