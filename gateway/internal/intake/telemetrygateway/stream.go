package telemetrygateway

import (
	"context"
	"errors"
	"io"
	"os"

	"connectrpc.com/connect"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/wirejson"
)

// A stream is one call of RecordEvents. It belongs to the goroutine that receives,
// but for the answers.
type stream struct {
	service *Service
	visit   *visit
	ctx     context.Context

	sender  *sender // nil = the metadata has not come yet
	decoder decoder
	batch   batch
	answers *answers

	payloads, events int
}

// recordEvents serves a stream: this goroutine receives and stores, another one
// sends, and is waited for.
func (s *Service) recordEvents(ctx context.Context, conn connect.StreamingHandlerConn) error {
	v := visitOf(ctx)
	v.taken = true
	st := &stream{service: s, visit: v, ctx: ctx, answers: newAnswers(s.Budget)}
	sent := make(chan error, 1)
	go func() {
		sent <- st.answers.drain(func(answer []byte) error {
			err := conn.Send(&response{succeeded: answer})
			v.body.peer.alive()
			return err
		})
	}()
	release := context.AfterFunc(s.stopping(), v.body.peer.stop)
	problem := st.receive(conn)
	release()
	st.answers.close()
	left := <-sent
	st.report()
	if problem != nil {
		s.TurnedAway(Protocol, v.header, problem)
		return intake.RPCError(problem)
	}
	return left
}

// receive takes messages until the client has no more, or an error ends the
// stream.
func (st *stream) receive(conn connect.StreamingHandlerConn) *daybook.Error {
	for {
		if st.service.stopping().Err() != nil {
			return errStopping()
		}
		m := inbound{stream: st}
		err := conn.Receive(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return st.broken(err)
		case m.problem != nil:
			return m.problem
		}
		st.visit.body.next()
	}
}

// broken is why nothing more can be received.
func (st *stream) broken(err error) *daybook.Error {
	body := &st.visit.body
	switch {
	case body.refused != nil:
		return body.refused
	case st.service.stopping().Err() != nil:
		return errStopping()
	case errors.Is(body.broken, os.ErrDeadlineExceeded):
		return st.late()
	}
	return callError(err, body)
}

// late is why the time of the stream is over.
func (st *stream) late() *daybook.Error {
	e := &daybook.Error{Code: daybook.Unavailable, Reason: reasonStreamIdle}
	if st.sender == nil {
		e.Message = "the stream has not said within " + st.service.introduction().String() + " who sends; open another one, and send metadata first"
		return e
	}
	e.Message = "nothing moved on the stream for " + st.service.idle().String() + "; open another one"
	return e
}

// report tells what the stream has carried.
func (st *stream) report() {
	if observe := st.service.Observe.Stream; observe != nil && st.sender != nil {
		observe(st.sender.source, st.payloads, st.events)
	}
}

// An inbound is a message of a stream. Connect-go lends the bytes of a message only
// while it is decoded; they may be 90 MiB. So the message is worked through there
// and then, and never copied as a whole.
type inbound struct {
	stream  *stream
	problem *daybook.Error // ends the stream
}

// take works through the message.
func (m *inbound) take(b []byte) {
	if m.problem = m.stream.visit.body.decoded(len(b)); m.problem != nil {
		return
	}
	var f wirejson.Fields
	if requestShape.Parse(b, &f) != nil {
		m.problem = invalid("", reasonInvalidProtobuf, "the message is not a valid telemetrygateway.v1.RecordEventsRequest")
		return
	}
	switch {
	case f[requestMetadata].Set:
		m.problem = m.stream.introduce(f[requestMetadata].Bytes)
	case f[requestEvents].Set:
		m.problem = m.stream.payload(f[requestEvents].Bytes)
	}
}

// introduce takes the stream's metadata.
func (st *stream) introduce(metadata []byte) *daybook.Error {
	if st.sender != nil {
		return invalid("metadata", reasonMetadataTwice, "received metadata more than once")
	}
	claim, problem := claimOf(metadata)
	if problem != nil {
		return problem
	}
	sender, problem := claim.prove(st.ctx, st.service.senders(), st.visit.header["Authorization"])
	if problem != nil {
		return problem
	}
	st.begin(&sender)
	return nil
}

// begin lets the sender in.
func (st *stream) begin(who *sender) {
	st.sender = who
	st.batch = newBatch(st.service, who, intake.RequestIDOf(st.visit.header))
	st.visit.body.limit = int64(st.service.maxMessage()) + frameBytes
	st.visit.body.peer.introduced()
}

// confirm sees that the sender may still send: a stream may last for days. It also
// takes up what else has changed about it.
func (st *stream) confirm() *daybook.Error {
	senders := st.service.senders()
	if st.sender.edition != senders.Edition() {
		switch problem := st.sender.ask(st.ctx, senders); {
		case problem == nil:
		case problem.Code == daybook.Exhausted:
			return problem
		default: // another stream is told what it is
			return &daybook.Error{
				Code: daybook.Unavailable, Reason: reasonCallersChanged, Err: problem,
				Message: "who may send has changed; open another stream, and send again what was not answered",
			}
		}
	}
	st.decoder.private, st.decoder.public = st.service.Private.current(), st.sender.caller.Public
	return nil
}
