package telemetrygateway

import "daybook.dev/gateway/internal/admit"

// A Decoder is the decoder of one stream.
type Decoder = decoder

// NewDecoder returns a decoder that keeps what is allowed.
func NewDecoder(private Allowed, public bool) *Decoder {
	return &decoder{private: private, public: public}
}

// Event decodes an event; those before it are forgotten.
func (d *decoder) Event(wire []byte) admit.Submission {
	d.reset()
	return d.event(wire)
}

// NotText stands for the value of an allowed key that is no text.
const NotText = notText

// Stored is what the events of a stream with that metadata say of their sender.
func Stored(metadata []byte) (string, error) {
	c, problem := claimOf(metadata)
	if problem != nil {
		return "", problem
	}
	if c.kind == 0 {
		return "", errUnknownIdentifier
	}
	stored, problem := c.stored()
	if problem != nil {
		return "", problem
	}
	return string(stored), nil
}
