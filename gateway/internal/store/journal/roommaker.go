package journal

import (
	"errors"
	"sync"
	"sync/atomic"

	"daybook.dev/internal/wal"
)

const (
	// leastRoom is the size of chunks for which making room pays.
	leastRoom = 1 << 20

	// roomShare: room for the next chunk is made when a sixteenth of the active
	// one is used. A gateway with little to do never needs it.
	roomShare = 16

	// largeAppend is the size in bytes of an append, on average, from which no
	// room is made: a caller who sends so much at once gains little from a
	// quicker sync, and every byte would be written twice.
	largeAppend = 48 << 10
)

var errStopping = errors.New("stopping")

// A roomMaker has room for the next chunk, made by the keeper, taken by the
// writer.
type roomMaker struct {
	wanted atomic.Bool // set by the writer: the active chunk is written by small appends

	mu     sync.Mutex
	room   *wal.Room // guarded by mu; nil = none
	making int64     // guarded by mu: bytes of the room being made
}

// make makes room of size bytes, if there is none.
func (m *roomMaker) make(fs wal.FS, dir string, size int64, stop func() error) error {
	if !m.begin(size) {
		return nil
	}
	room, err := wal.MakeRoom(fs, dir, size, stop)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room, m.making = room, 0
	return err
}

func (m *roomMaker) begin(size int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room != nil {
		return false
	}
	m.making = size
	return true
}

// take returns the room, or nil when there is none, and has none then.
func (m *roomMaker) take() *wal.Room {
	m.mu.Lock()
	defer m.mu.Unlock()
	room := m.room
	m.room = nil
	return room
}

// ready reports whether there is room to be taken.
func (m *roomMaker) ready() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.room != nil
}

func (m *roomMaker) bytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room != nil {
		return m.room.Size()
	}
	return m.making
}
