package admit

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"

	"daybook.dev/gateway/internal/store"
)

// digestOf identifies what the caller sent, whichever protocol carried it: the
// event's own fields before anything is completed, and the metadata as the
// intake wrote it down. The id is left out; it is the key under which digests
// are compared.
func digestOf(s *Submission) store.Digest {
	e := &s.Event
	buffer := digestBuffers.Get().(*[]byte)
	b := (*buffer)[:0]
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
	if len(e.Metadata) > len("{}") { // none and an empty object say the same
		b = append(b, e.Metadata...)
	}
	sum := sha256.Sum256(b)
	*buffer = b
	if cap(b) <= maxPooledDigest {
		digestBuffers.Put(buffer)
	}
	return store.Digest(sum[:len(store.Digest{})])
}

// maxPooledDigest keeps one rare large event from pinning its buffer.
const maxPooledDigest = 64 << 10

var digestBuffers = sync.Pool{New: func() any { return new([]byte) }}
