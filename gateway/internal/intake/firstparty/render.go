package firstparty

import (
	"strconv"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// render appends the reply:
//
//	{"accepted_count":2,"rejected_count":1,"errors":[{"index":2,"event_id":"…","code":"invalid",…}]}
//
// Each error has those of code, reason, field and message that say something.
// When the request was refused as a whole nothing is counted, and the reply
// itself has them.
func render(dst []byte, _ daybook.Durability, outcomes []daybook.Outcome, err *daybook.Error) []byte {
	accepted := 0
	for i := range outcomes {
		if isAccepted(&outcomes[i]) {
			accepted++
		}
	}
	dst = append(dst, `{"accepted_count":`...)
	dst = strconv.AppendInt(dst, int64(accepted), 10)
	dst = append(dst, `,"rejected_count":`...)
	dst = strconv.AppendInt(dst, int64(len(outcomes)-accepted), 10)
	dst = append(dst, `,"errors":[`...)
	first := true
	for i := range outcomes {
		if isAccepted(&outcomes[i]) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendRejected(dst, i, &outcomes[i])
	}
	dst = append(dst, ']')
	if err != nil {
		dst = intake.AppendError(dst, err)
	}
	return append(dst, '}', '\n')
}

func appendRejected(dst []byte, index int, o *daybook.Outcome) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, `,"event_id":`...)
	dst = intake.AppendQuoted(dst, intake.Echo(o.ID))
	if e := intake.ErrorOf(o); e != nil {
		dst = intake.AppendError(dst, e)
	}
	return append(dst, '}')
}

// isAccepted reports whether the client is done with an event. A destination
// that has not taken one which is stored is not the client's concern.
func isAccepted(o *daybook.Outcome) bool {
	switch o.Status {
	case daybook.Stored, daybook.Duplicate, daybook.Dropped:
		return true
	}
	return false
}
