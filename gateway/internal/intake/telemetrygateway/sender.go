package telemetrygateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake/wirejson"
)

// A Source is the kind of a sender. Its words are labels of metrics.
type Source string

// The sources.
const (
	LicensedInstance   Source = "licensed_instance"
	UnlicensedInstance Source = "unlicensed_instance"
	ManagedService     Source = "managed_service"
)

// Senders says who sends, by the proofs of this protocol. [caller.Registry] does.
type Senders interface {
	Licensed(licenseKey string) (caller.Caller, *daybook.Error)
	Unlicensed() (caller.Caller, *daybook.Error)
	Service(ctx context.Context, authorization []string, serviceID string) (caller.Caller, *daybook.Error)

	// Edition is another number whenever the answers may have changed.
	Edition() uint64
}

// A sender is who a stream's metadata names, as far as that is proved.
type sender struct {
	source    Source
	caller    caller.Caller
	edition   uint64          // of the senders that have said so
	publisher string          // within what event ids are unique, below the caller
	stored    json.RawMessage // what its events say of it

	// proof asks the senders who this is: at the beginning, and of a stream again
	// whenever they have changed.
	proof func(context.Context) (caller.Caller, *daybook.Error)
}

// ask asks who this is. The edition is read first: what changes meanwhile has it
// asked once more.
func (s *sender) ask(ctx context.Context, senders Senders) (problem *daybook.Error) {
	s.edition = senders.Edition()
	s.caller, problem = s.proof(ctx)
	return problem
}

// maxMetadataBytes is how much a stream's metadata may be as it is stored: it is,
// with every event.
const maxMetadataBytes = 4 << 10

// maxPublisherBytes is how long the name of a publisher is before a hash stands
// for it.
const maxPublisherBytes = 200

var (
	metadataShape = shapeOf(&telemetrygatewayv1.RecordEventsRequestMetadata{})
	senderShape   = metadataShape.Message(metadataIdentifier)
)

// The numbers of the fields that are looked at.
const (
	metadataRequestID  protowire.Number = 1
	metadataIdentifier protowire.Number = 2

	licensedInstance   protowire.Number = 1
	unlicensedInstance protowire.Number = 2
	managedService     protowire.Number = 3

	licensedKey      protowire.Number = 1
	licensedInstID   protowire.Number = 2
	unlicensedInstID protowire.Number = 1
	serviceID        protowire.Number = 1
	serviceEnv       protowire.Number = 2
)

// A claim is what a stream's metadata says of its sender. Nothing of it is proved.
type claim struct {
	kind     protowire.Number // of the identifier's members; 0 = none of them
	metadata wirejson.Fields
	who      wirejson.Fields // the member's fields
}

// claimOf reads a stream's metadata.
func claimOf(metadata []byte) (c claim, problem *daybook.Error) {
	var identifier wirejson.Fields
	err := metadataShape.Parse(metadata, &c.metadata)
	if err == nil {
		err = senderShape.Parse(c.metadata[metadataIdentifier].Bytes, &identifier)
	}
	for _, kind := range senderShape.Numbers() {
		if err == nil && identifier[kind].Set {
			c.kind = kind
			err = senderShape.Message(kind).Parse(identifier[kind].Bytes, &c.who)
		}
	}
	if err != nil {
		return c, invalid("metadata", reasonInvalidProtobuf, "the metadata is not a valid telemetrygateway.v1.RecordEventsRequestMetadata")
	}
	return c, nil
}

var errUnknownIdentifier = &daybook.Error{
	Code: daybook.Unimplemented, Reason: reasonUnknownIdentifier, Field: "metadata.identifier", Message: "unsupported identifier type",
}

// prove says who the sender is, by what it claims and by the values of its
// request's authorization header.
func (c *claim) prove(ctx context.Context, senders Senders, authorization []string) (s sender, problem *daybook.Error) {
	text := func(n protowire.Number) string { return string(c.who[n].Bytes) }
	switch c.kind {
	case licensedInstance:
		key := strings.Join(strings.Fields(text(licensedKey)), "")
		hash := hashed(key)
		s.source = LicensedInstance
		s.publisher = path("licensed", hash[:len(hashPrefix)+32], text(licensedInstID))
		s.proof = func(context.Context) (caller.Caller, *daybook.Error) { return senders.Licensed(key) }
		c.who[licensedKey].Bytes = []byte(hash)
	case unlicensedInstance:
		if text(unlicensedInstID) == "" {
			return s, invalid("unlicensed_instance.instance_id", reasonMissingID, "instance_id is required for unlicensed instances")
		}
		s.source = UnlicensedInstance
		s.publisher = path("unlicensed", text(unlicensedInstID))
		s.proof = func(context.Context) (caller.Caller, *daybook.Error) { return senders.Unlicensed() }
	case managedService:
		if text(serviceID) == "" {
			return s, invalid("managed_service.service_id", reasonMissingID, "service_id is required for managed services")
		}
		s.source = ManagedService
		s.publisher = path("service", text(serviceID), text(serviceEnv))
		id := text(serviceID)
		s.proof = func(ctx context.Context) (caller.Caller, *daybook.Error) {
			return senders.Service(ctx, authorization, id)
		}
	default:
		return s, errUnknownIdentifier
	}
	if problem = s.ask(ctx, senders); problem == nil {
		s.stored, problem = c.stored()
	}
	return s, problem
}

// stored is the metadata as protojson makes it, once the license key's hash has
// taken its place.
func (c *claim) stored() (json.RawMessage, *daybook.Error) {
	e := wirejson.Encoder{MaxBytes: maxMetadataBytes}
	dst, err := e.AppendMember([]byte{'{'}, metadataShape, metadataRequestID, &c.metadata[metadataRequestID])
	if err == nil {
		dst = senderShape.AppendName(append(metadataShape.AppendName(dst, metadataIdentifier), '{'), c.kind)
		dst, err = e.AppendFields(dst, senderShape.Message(c.kind), &c.who)
	}
	if errors.Is(err, wirejson.ErrTooLong) {
		return nil, invalid("metadata", reasonMetadataTooLarge, fmt.Sprintf("the stream's metadata has more than %d bytes", maxMetadataBytes))
	}
	return append(dst, "}}"...), nil
}

const hashPrefix = "sha256:"

// hashed is what stands for a secret text.
func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// path joins the parts of a publisher's name, such that different parts make
// different names.
func path(parts ...string) string {
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	name := strings.Join(parts, "/")
	if len(name) <= maxPublisherBytes {
		return name
	}
	return parts[0] + "/" + hashed(name)
}
