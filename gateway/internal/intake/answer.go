package intake

import (
	"net/http"
	"strconv"
	"sync"

	"daybook.dev"
)

// A Render appends the body of an answer, JSON, in a protocol's words. Err is
// what refused the request as a whole; then there are no outcomes.
type Render func(dst []byte, durability daybook.Durability, outcomes []daybook.Outcome, err *daybook.Error) []byte

// maxPooledReply keeps the reply to one rare large batch from pinning memory.
const maxPooledReply = 256 << 10

var replies = sync.Pool{New: func() any { return new([]byte) }}

// Answer writes the answer to a request with what every HTTP answer says.
func (d *Door) Answer(w http.ResponseWriter, status int, outcomes []daybook.Outcome, err *daybook.Error, render Render) {
	buffer := replies.Get().(*[]byte)
	body := render((*buffer)[:0], d.Durability, outcomes, err)
	header := w.Header()
	SetHeaders(header, status, d.Durability, outcomes, err)
	header["Content-Type"] = contentTypeJSON
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is not our failure
	if *buffer = body; cap(body) <= maxPooledReply {
		replies.Put(buffer)
	}
}

var contentTypeJSON = []string{"application/json"}
