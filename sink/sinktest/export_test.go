package sinktest

import "time"

// Grace is for sinks that use it up.
func Grace(d time.Duration) { grace = d }
