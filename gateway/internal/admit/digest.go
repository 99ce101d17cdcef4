package admit

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"daybook.dev/gateway/internal/store"
)

// digestOf identifies what the caller sent, whichever protocol carried it: the
// event's own fields before anything is completed, and the metadata as the
// intake wrote it down. The id is left out; it is the key under which digests
// are compared.
//
// XXH64 is quick and not secret on purpose: digests are compared only within
// one caller's id, so whoever makes two contents collide fools himself.
func digestOf(s *Submission) store.Digest {
	e := &s.Event
	var space [1200]byte // four texts of at most 256 bytes, a time and a rate: no allocation
	b := space[:0]
	for _, text := range [...]string{e.Name, string(e.Type), e.Actor, e.IdempotencyKey} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	if !s.TimeGiven {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Time.Unix()))
		b = binary.BigEndian.AppendUint32(b, uint32(e.Time.Nanosecond()))
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(e.SampleRate))

	var hash xxhash.Digest
	hash.Reset()
	_, _ = hash.Write(b)             // never fails
	if len(e.Metadata) > len("{}") { // none and an empty object say the same
		_, _ = hash.Write(e.Metadata)
	}
	var digest store.Digest
	binary.BigEndian.PutUint64(digest[:], hash.Sum64())
	return digest
}
