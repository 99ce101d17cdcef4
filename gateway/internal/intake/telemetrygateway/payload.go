package telemetrygateway

import (
	"context"

	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/wirejson"
)

var requestShape = shapeOf(&telemetrygatewayv1.RecordEventsRequest{})

// The numbers of the fields that are looked at.
const (
	requestMetadata protowire.Number = 1
	requestEvents   protowire.Number = 2
	payloadEvents   protowire.Number = 1
	responseEvents  protowire.Number = 1
)

// A payload is stored in batches, so that what one takes in memory has a bound
// whatever a message holds: 90 MiB can be millions of events.
const (
	batchEvents = 4096
	batchBytes  = 4 << 20 // of metadata
)

// eventOverhead is about what an event holds in memory beside its metadata: the
// submission, the record, and the metadata once more with the envelope.
const eventOverhead = 1 << 10

// payload stores the events of a payload and queues the answer.
func (st *stream) payload(b []byte) *daybook.Error {
	if st.sender == nil {
		return invalid("events", reasonMetadataMissing, "got events when metadata not yet received")
	}
	if problem := st.confirm(); problem != nil {
		return problem
	}
	defer st.batch.lease.Release()
	answer, events, succeeded := []byte(nil), 0, 0
	flush := func() {
		for i, yes := range st.batch.store(st.ctx) {
			if yes {
				answer = protowire.AppendTag(answer, responseEvents, protowire.BytesType)
				answer = protowire.AppendString(answer, st.batch.events[i].Event.ID)
				succeeded++
			}
		}
		events += len(st.batch.events)
		st.batch.reset()
		st.decoder.reset()
	}
	for event := range wirejson.Elements(b, payloadEvents) {
		if err := st.batch.add(st.decoder.event(event), len(event)); err != nil {
			return err
		}
		if st.batch.full() {
			flush()
		}
		if st.batch.overQuota != nil {
			break
		}
	}
	if len(st.batch.events) > 0 {
		flush()
	}
	st.payloads++
	st.events += events
	if observe := st.service.Observe.Payload; observe != nil {
		observe(st.sender.source, events, succeeded)
	}
	if err := st.answers.put(answer); err != nil {
		return err
	}
	return st.batch.overQuota
}

// A batch is events of one sender on their way into the store.
type batch struct {
	service *Service
	sender  *sender
	request string

	lease    intake.Lease
	events   []admit.Submission
	bytes    int // as received
	metadata int // bytes
	verdicts []bool
	envelope admit.Envelope

	// overQuota ends the stream: its sender has used up what it may send, and the
	// rest of the stream would be read for nothing.
	overQuota *daybook.Error
}

func newBatch(s *Service, who *sender, request string) batch {
	return batch{service: s, sender: who, request: request, lease: s.Budget.Lease(), envelope: admit.Envelope{Publisher: who.stored}}
}

// add adds an event of that many bytes as received. An error means that there is
// no memory for it.
func (b *batch) add(s admit.Submission, bytes int) *daybook.Error {
	// The metadata is held twice: as decoded, and with the envelope.
	if err := b.lease.Grow(int64(eventOverhead + 2*len(s.Event.Metadata) + len(b.sender.stored))); err != nil {
		return err
	}
	s.Publisher, s.Envelope = b.sender.publisher, &b.envelope
	b.events = append(b.events, s)
	b.bytes += bytes
	b.metadata += len(s.Event.Metadata)
	return nil
}

func (b *batch) full() bool { return len(b.events) >= batchEvents || b.metadata >= batchBytes }

// store stores the events and returns, for each, whether its sender is done with
// it. The result is the batch's until reset.
func (b *batch) store(ctx context.Context) []bool {
	outcomes := b.outcomes(ctx)
	for i := range outcomes {
		o := &outcomes[i]
		b.verdicts = append(b.verdicts, succeeded(b.sender.source, o))
		if o.Reason == caller.ReasonQuota {
			b.overQuota = intake.ErrorOf(o)
		}
	}
	return b.verdicts
}

func (b *batch) outcomes(ctx context.Context) []daybook.Outcome {
	return b.service.Accept(ctx, accept.Batch{
		Caller: b.sender.caller, Protocol: Protocol, Request: b.request, Events: b.events, Bytes: b.bytes,
	})
}

// reset makes room for the next events.
func (b *batch) reset() {
	b.lease.Release()
	clear(b.events)
	b.events, b.verdicts, b.bytes, b.metadata = b.events[:0], b.verdicts[:0], 0, 0
}
