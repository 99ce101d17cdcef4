package otlp

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// The fields of the answers' messages.
const (
	responsePartialSuccess = 1

	partialRejected = 1
	partialMessage  = 2

	statusCode    = 1
	statusMessage = 2

	retryInfoDelay  = 1
	durationSeconds = 1
)

// response is an ExportLogsServiceResponse: nothing where no record
// was refused, else how many, and why. The message is where OTLP has room for it.
func response(e encoding, outcomes []daybook.Outcome) []byte {
	rejected := countRefused(outcomes)
	if e == inJSON {
		if rejected == 0 {
			return []byte("{}")
		}
		dst := []byte(`{"partialSuccess":{"rejectedLogRecords":"`)
		dst = strconv.AppendInt(dst, int64(rejected), 10)
		dst = append(dst, `","errorMessage":`...)
		dst = intake.AppendQuoted(dst, describe(outcomes, rejected))
		return append(dst, '}', '}')
	}
	if rejected == 0 {
		return nil
	}
	partial := protowire.AppendTag(nil, partialRejected, protowire.VarintType)
	partial = protowire.AppendVarint(partial, uint64(rejected))
	partial = protowire.AppendTag(partial, partialMessage, protowire.BytesType)
	partial = protowire.AppendString(partial, describe(outcomes, rejected))
	dst := protowire.AppendTag(nil, responsePartialSuccess, protowire.BytesType)
	return protowire.AppendBytes(dst, partial)
}

func countRefused(outcomes []daybook.Outcome) (n int) {
	for i := range outcomes {
		if outcomes[i].Status == daybook.Refused {
			n++
		}
	}
	return n
}

// describe names the records that are refused, by their place in the request
// from 0, with the reason of each: of the first few, as SDKs log it as one line.
func describe(outcomes []daybook.Outcome, refused int) string {
	const most, longest = 5, 1 << 10
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d records are refused", refused, len(outcomes))
	named := 0
	for i := range outcomes {
		if outcomes[i].Status != daybook.Refused {
			continue
		}
		if named == most || b.Len() > longest {
			fmt.Fprintf(&b, "; and %d more", refused-named)
			break
		}
		named++
		if e := intake.ErrorOf(&outcomes[i]); e != nil {
			fmt.Fprintf(&b, "; record %d: %s: %s", i, e.Reason, e.Message)
		}
	}
	return b.String()
}

// A failure is the answer to a request of which nothing, or not everything that
// could be, was stored.
type failure struct {
	code       connect.Code
	message    string
	retryAfter time.Duration // 0 = sending it again would not help
}

// failureOf is what a request is answered that did not succeed: for the reason
// that refused it as a whole, else as the statuses of its outcomes say. What
// can be sent again is said in the codes that OTLP's clients send again for.
func failureOf(outcomes []daybook.Outcome, err *daybook.Error) failure {
	status := intake.StatusOf(outcomes, err)
	f := failure{code: connect.CodeUnavailable, message: "the records could not be stored"}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(intake.RetryAfter(outcomes, err)) // a number, by its definition
		f.retryAfter = time.Duration(seconds) * time.Second
		if status == http.StatusTooManyRequests {
			f.code = connect.CodeResourceExhausted
		}
		if err == nil {
			err = firstFailed(outcomes)
		}
	default:
		if err == nil {
			f.code, f.message = connect.CodeInvalidArgument, describe(outcomes, len(outcomes))
			if status == http.StatusForbidden {
				f.code = connect.CodePermissionDenied
			}
			return f
		}
		f.code = intake.RPCCode(err)
	}
	if err != nil && err.Message != "" {
		f.message = err.Message
	}
	return f
}

func firstFailed(outcomes []daybook.Outcome) *daybook.Error {
	for i := range outcomes {
		if outcomes[i].Status == daybook.Failed {
			return intake.ErrorOf(&outcomes[i])
		}
	}
	return nil
}

// appendStatus appends a google.rpc.Status.
func appendStatus(dst []byte, e encoding, f failure) []byte {
	if e == inJSON {
		dst = strconv.AppendInt(append(dst, `{"code":`...), int64(f.code), 10)
		dst = intake.AppendQuoted(append(dst, `,"message":`...), f.message)
		return append(dst, '}')
	}
	dst = protowire.AppendTag(dst, statusCode, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(f.code))
	dst = protowire.AppendTag(dst, statusMessage, protowire.BytesType)
	return protowire.AppendString(dst, f.message)
}

// retryInfo is a google.rpc.RetryInfo.
func retryInfo(after time.Duration) []byte {
	delay := protowire.AppendTag(nil, durationSeconds, protowire.VarintType)
	delay = protowire.AppendVarint(delay, uint64(after/time.Second))
	return protowire.AppendBytes(protowire.AppendTag(nil, retryInfoDelay, protowire.BytesType), delay)
}
