package daybook

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxBeacon is the largest body BeaconHandler takes; sendBeacon itself sends at
// most 64 KiB.
const maxBeacon = 1 << 20

// BeaconHandler returns a handler that records what browsers post, as
// [Client.RecordJSON] does: one event, an array of them, {"events":[…]}, or one per line,
// whatever the Content-Type, because navigator.sendBeacon sends text/plain. It
// answers as a gateway does, with a result for every event in its order:
//
//	{"durability":"memory","results":[{"index":0,"event_id":"…","status":"stored"}]}
//
// with 200 where at least one event was taken, 400 where all were refused, and
// 503 where one could not be queued. "memory" means that it is on its way.
//
// A page of another origin needs CORS only for fetch with a Content-Type other
// than text/plain, or to read the answer: wrap the handler in one that sets
// Access-Control-Allow-Origin and answers OPTIONS. Who may post is also for
// whoever mounts it to say: events of browsers are what anybody claims.
func (c *Client) BeaconHandler() http.Handler { return http.HandlerFunc(c.serveBeacon) }

type beaconReply struct {
	Durability Durability     `json:"durability"`
	Results    []beaconResult `json:"results"`
	Reason     string         `json:"reason,omitempty"`
	Message    string         `json:"message,omitempty"`
}

type beaconResult struct {
	Index   int    `json:"index"`
	EventID string `json:"event_id,omitempty"`
	Status  Status `json:"status"`
	Code    *Code  `json:"code,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message,omitempty"`
}

func (c *Client) serveBeacon(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeBeacon(w, http.StatusMethodNotAllowed, &beaconReply{Reason: "method_not_allowed", Message: "events are sent with POST"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBeacon))
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		writeBeacon(w, http.StatusRequestEntityTooLarge, &beaconReply{
			Reason: "body_too_large", Message: "the body is over " + itoa(int(tooLong.Limit)) + " bytes",
		})
		return
	}
	events, ok := beaconEvents(body)
	if err != nil || !ok {
		writeBeacon(w, http.StatusBadRequest, &beaconReply{Reason: "invalid_json", Message: "the body is neither an event nor several"})
		return
	}
	reply, status := c.recordBeacon(r, events)
	writeBeacon(w, status, reply)
}

// recordBeacon records the events one by one: a bad one costs no other.
func (c *Client) recordBeacon(r *http.Request, events []json.RawMessage) (reply *beaconReply, status int) {
	reply = &beaconReply{Results: make([]beaconResult, len(events))}
	off := c.Disabled() != ""
	taken, failed := 0, 0
	for i, event := range events {
		result := &reply.Results[i]
		*result = beaconResult{Index: i, EventID: textIn(event, "event_id"), Status: Stored}
		if off {
			result.Status, result.Reason = Dropped, optedOut.String()
			taken++
			continue
		}
		err := c.RecordJSON(r.Context(), event)
		if err == nil {
			reply.Durability = InMemory
			taken++
			continue
		}
		code := CodeOf(err)
		result.Status, result.Code = Failed, &code
		if permanent(code) {
			result.Status = Refused
		} else {
			failed++
		}
		if e, ok := errors.AsType[*Error](err); ok {
			result.Reason, result.Field, result.Message = e.Reason, e.Field, e.Message
		}
	}
	switch {
	case failed > 0:
		return reply, http.StatusServiceUnavailable
	case taken == 0:
		return reply, http.StatusBadRequest
	}
	return reply, http.StatusOK
}

// beaconEvents returns the events in a body.
func beaconEvents(body []byte) (events []json.RawMessage, ok bool) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, false
	}
	if body[0] == '[' {
		ok = json.Unmarshal(body, &events) == nil
		return events, ok && len(events) > 0
	}
	if members, one := membersOf(body); one && len(members) == 1 && members[0].name == "events" {
		ok = json.Unmarshal(members[0].value, &events) == nil
		return events, ok
	}
	lines := json.NewDecoder(bytes.NewReader(body))
	for {
		var event json.RawMessage
		err := lines.Decode(&event)
		if errors.Is(err, io.EOF) {
			return events, true
		}
		if err != nil {
			return nil, false
		}
		events = append(events, event)
	}
}

func writeBeacon(w http.ResponseWriter, status int, reply *beaconReply) {
	if reply.Results == nil {
		reply.Results = []beaconResult{}
	}
	text, _ := json.Marshal(reply) // nothing in it can fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
