package intake

import (
	"strconv"

	"daybook.dev"
)

// AppendResults appends the reply to a request in the words that Daybook's own
// protocols share:
//
//	{"durability":"fsync","results":[{"index":0,"event_id":"…","status":"stored"}]}
//
// Results are complete and in the order of the events. Besides index, event_id
// and status, a result has those of code, reason, field and message that say
// something. When the request was refused as a whole there are no results, and
// the reply itself has code, reason and message.
func AppendResults(dst []byte, durability daybook.Durability, outcomes []daybook.Outcome, err *daybook.Error) []byte {
	dst = append(dst, `{"durability":"`...)
	dst = append(dst, durability.String()...)
	dst = append(dst, `","results":[`...)
	for i := range outcomes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendResult(dst, i, &outcomes[i])
	}
	dst = append(dst, ']')
	if err != nil {
		dst = AppendError(dst, err)
	}
	return append(dst, '}', '\n')
}

func appendResult(dst []byte, index int, o *daybook.Outcome) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, `,"event_id":`...)
	dst = AppendQuoted(dst, Echo(o.ID))
	dst = append(dst, `,"status":"`...)
	dst = append(dst, o.Status.String()...)
	dst = append(dst, '"')
	if o.Err == nil {
		dst = appendMember(dst, `,"reason":`, o.Reason) // of an event that a rule dropped
		return append(dst, '}')
	}
	return append(AppendError(dst, ErrorOf(o)), '}')
}

// Echo returns the id to answer: none where it is far too long to be one, so
// that nobody makes us send back megabytes.
func Echo(id string) string {
	const most = 1 << 10
	if len(id) > most {
		return ""
	}
	return id
}

// AppendError appends the members that explain e; the internal cause is not
// among them.
func AppendError(dst []byte, e *daybook.Error) []byte {
	dst = appendMember(dst, `,"code":`, daybook.CodeOf(e).String())
	dst = appendMember(dst, `,"reason":`, e.Reason)
	dst = appendMember(dst, `,"field":`, e.Field)
	return appendMember(dst, `,"message":`, e.Message)
}

func appendMember(dst []byte, label, value string) []byte {
	if value == "" {
		return dst
	}
	return AppendQuoted(append(dst, label...), value)
}
