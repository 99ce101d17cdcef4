package serve_test

import (
	"encoding/json"
	"net/http"
	"strings"
)

// verdictColumns are the protocols of the matrix.
func verdictColumns(by vendors) []column {
	const when = "2026-01-02T12:00:00Z"
	return []column{
		{protocol: "http", send: posts("/v1/events", byStatus, func(s saying) string {
			return `{"event_id":` + quoted(s.id) + `,"event_name":` + quoted(s.name) + `,"text":` + quoted(s.text) + s.more + `}`
		})},
		{protocol: "activity", send: posts("/local/track", byStatus, func(s saying) string {
			return `{"event_id":` + quoted(s.id) + `,"event_name":` + quoted(s.name) + `,"event_type":"behavioral","event_time":"` + when + `","text":` + quoted(s.text) + s.more + `}`
		}), except: map[string]exception{
			"an event of more than a megabyte": {advice: accepted, outcome: "stored", because: "its contract keeps the event and replaces its attributes by a note"},
		}},
		{protocol: "first-party", send: posts("/api/event_logging/batch", byErrors, func(s saying) string {
			return `{"events":[{"event_type":"behavioral","event_data":{"event_id":` + quoted(s.id) + `,"event_name":` + quoted(s.name) + `,"text":` + quoted(s.text) + s.more + `}}]}`
		})},
		{protocol: "cloudevents", send: posts("/v1/cloudevents", byStatus, func(s saying) string {
			return `{"specversion":"1.0","source":"/shop","id":` + quoted(s.id) + `,"type":` + quoted(s.name) + `,"data":{"text":` + quoted(s.text) + s.more + `}}`
		})},
		{protocol: "otlp", send: posts("/v1/logs", byStatus, func(s saying) string {
			attributes := attribute("event.id", s.id) + "," + attribute("text", s.text)
			if s.more != "" {
				attributes += "," + attribute("_eventLog", spoofed) + "," + attribute("caller", spoofed)
			}
			return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767348000123456789","eventName":` + quoted(s.name) + `,"attributes":[` + attributes + `]}]}]}]}`
		})},
		{protocol: "segment", send: posts("/v1/track", byStatus, func(s saying) string {
			return `{"messageId":` + quoted(s.id) + `,"event":` + quoted(s.name) + `,"timestamp":"` + when + `","properties":{"text":` + quoted(s.text) + `}` + s.more + `}`
		})},
		{protocol: "logevent", send: posts("/events.v1.EventLoggingService/LogEvent", byConnectCode, func(s saying) string {
			return `{"event_id":` + quoted(s.id) + `,"event_name":` + quoted(s.name) + `,"metadata":{"text":` + quoted(s.text) + s.more + `}}`
		}), except: map[string]exception{
			"the same once more":                   {},
			"the same id with other content":       {},
			"an id of 257 bytes":                   {},
			"members that only the gateway writes": {advice: refused, outcome: "refused reserved_field", because: "its contract refuses the reserved member rather than leave it out"},
			"an event of more than a megabyte":     {advice: tooLarge, outcome: "body_too_large", because: "a call is one event, and is refused before it is read to its end"},
		}},
		telemetryColumn(by),
	}
}

// posts sends an event as the body of a POST.
func posts(path string, read func(status int, body string) advice, body func(saying) string) func(*running, saying) advice {
	return func(g *running, s saying) advice {
		headers := []string{"Content-Type", "application/json"}
		if strings.HasSuffix(path, "cloudevents") {
			headers[1] = "application/cloudevents+json"
		}
		if s.key != "" {
			headers = append(headers, "Authorization", "Bearer "+s.key)
		}
		status, answer := g.do("POST", g.IngestURL()+path, body(s), headers...)
		return read(status, answer)
	}
}

// byStatus reads the status of HTTP.
func byStatus(status int, _ string) advice {
	switch status {
	case http.StatusOK:
		return accepted
	case http.StatusBadRequest:
		return refused
	case http.StatusUnauthorized:
		return unauthenticated
	case http.StatusForbidden:
		return denied
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return later
	}
	return advice("status " + http.StatusText(status))
}

// byErrors reads an answer of 200 that lists what was rejected.
func byErrors(status int, body string) advice {
	if status != http.StatusOK {
		return byStatus(status, body)
	}
	var said struct{ Errors []struct{ Code string } }
	switch err := json.Unmarshal([]byte(body), &said); {
	case err != nil:
		return advice("not JSON: " + body)
	case len(said.Errors) == 0:
		return accepted
	case said.Errors[0].Code == "denied":
		return denied
	}
	return refused
}

// byConnectCode reads the code of a Connect error.
func byConnectCode(status int, body string) advice {
	if status == http.StatusOK {
		return accepted
	}
	var failure struct{ Code, Message string }
	if err := json.Unmarshal([]byte(body), &failure); err != nil {
		return advice("not an error of Connect: " + body)
	}
	switch failure.Code {
	case "invalid_argument", "already_exists":
		return refused
	case "unauthenticated":
		return unauthenticated
	case "permission_denied":
		return denied
	case "resource_exhausted":
		if strings.Contains(failure.Message, "limit") {
			return tooLarge
		}
		return later
	case "unavailable":
		return later
	}
	return advice(failure.Code)
}

// attribute is one of OTLP's, in JSON.
func attribute(name, value string) string {
	return `{"key":` + quoted(name) + `,"value":{"stringValue":` + quoted(value) + `}}`
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always can
	}
	return string(text)
}
