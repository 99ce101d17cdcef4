package logevent

import "daybook.dev"

// A Request is a decoded call that breaks no rule.
type Request struct {
	Name, Type, Actor, Key string
	Metadata               []byte
	StoreOnly              bool
	Time                   int64 // Unix nanoseconds where they can tell; 0 = not given
}

// DecodeJSON decodes a request and applies the rules.
func DecodeJSON(body []byte) (Request, *daybook.Error) { return checked(new(Service).decodeJSON(body)) }

// DecodeProto decodes a request and applies the rules.
func DecodeProto(s *Service, body []byte) (Request, *daybook.Error) {
	return checked(s.decodeProto(body))
}

func checked(c call) (Request, *daybook.Error) {
	if c.shed != nil {
		return Request{}, c.shed
	}
	if c.refused != nil {
		return Request{}, c.refused
	}
	if err := c.request.check(); err != nil {
		return Request{}, err
	}
	r := Request{
		Name: c.request.name.value, Type: c.request.typ.value, Actor: c.request.actor.value, Key: c.request.key.value,
		Metadata: c.request.metadata, StoreOnly: c.request.storeOnly,
	}
	if c.request.timeGiven {
		r.Time = c.request.time.UnixNano()
	}
	return r, nil
}
