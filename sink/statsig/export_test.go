package statsig

import (
	"strconv"
	"time"

	"daybook.dev"
)

// Body returns the body of a request with these events.
func Body(events []daybook.Event) ([]byte, error) {
	b := body{text: []byte(begin), user: []byte(`{"userID":"u"}`), now: time.Now()}
	for i := range events {
		if err := b.add(&events[i]); err != nil {
			return nil, err
		}
	}
	return append(b.text, end...), nil
}

// Now is the time as a header.
func Now() string { return strconv.FormatInt(time.Now().UnixMilli(), 10) }
