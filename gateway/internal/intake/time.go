package intake

import (
	"time"

	"daybook.dev/gateway/internal/intake/rfc3339"
)

// ParseTime parses a time as [rfc3339.Parse] does. What is wrong follows the
// member's name in a sentence.
func ParseTime(text []byte) (t time.Time, problem string) { return rfc3339.Parse(text) }
