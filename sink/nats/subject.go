package nats

import (
	"slices"
	"strings"

	"daybook.dev"
)

// typeToken stands for the event's type in a subject.
const typeToken = "{event_type}"

// A subject is where events are published, by their type.
type subject struct {
	before, after string // what stands around the type
	typed         bool
}

// parseSubject reads what Config.Subject says.
func parseSubject(text string) (subject, error) {
	tokens := strings.Split(text, ".")
	bad := func(t string) bool {
		return t != typeToken && (t == "" || t != token(t) || strings.ContainsAny(t, "{}"))
	}
	if slices.ContainsFunc(tokens, bad) {
		return subject{}, invalid("subject", "a subject is tokens with dots between them, without blanks and wildcards; write for example events or events.{event_type}")
	}
	if strings.HasPrefix(text, "$") {
		return subject{}, invalid("subject", "subjects with $ in front are the server's own")
	}
	before, after, typed := strings.Cut(text, typeToken)
	if strings.Contains(after, typeToken) {
		return subject{}, invalid("subject", typeToken+" stands once at most")
	}
	return subject{before, after, typed}, nil
}

// of returns the subject of an event.
func (s subject) of(e *daybook.Event) string {
	if !s.typed {
		return s.before
	}
	return s.before + token(string(e.Type)) + s.after
}

// pattern is what a stream has to take.
func (s subject) pattern() string {
	if !s.typed {
		return s.before
	}
	return s.before + "*" + s.after
}

// token returns text as one token of a subject.
func token(text string) string {
	if text == "" {
		return "none"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(".*>", r) {
			return '_'
		}
		return r
	}, text)
}
