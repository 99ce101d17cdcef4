package wal

import "path/filepath"

// roomName is a temporary name: room that no chunk has moved into when the
// process ends is removed at the next start.
const roomName = "room" + temporarySuffix

// roomStep is how much room is made between two syncs, so that the syncs of
// records, on the same disk, never wait behind a large one.
const roomStep = 1 << 20

// A Room is a file of zeros for the next chunk. A sync of records written over
// zeros has to write only them: no new length, no new blocks, and so nothing
// into the file system's own journal. docs/decisions/0003 has the figures.
type Room struct {
	file File
	dir  string
	size int64
}

// MakeRoom makes room of size bytes in dir, or none when it returns an error.
// There is one Room in a directory at a time. It stops early, with stop's
// error, when stop returns one.
func MakeRoom(fs FS, dir string, size int64, stop func() error) (*Room, error) {
	name := filepath.Join(dir, roomName)
	file, err := fs.Create(name)
	if err != nil {
		return nil, err
	}
	r := &Room{file: file, dir: dir, size: size}
	if err := r.zero(stop); err != nil {
		r.Drop(fs)
		return nil, err
	}
	return r, nil
}

func (r *Room) zero(stop func() error) error {
	zeros := make([]byte, roomStep)
	for offset := int64(0); offset < r.size; offset += roomStep {
		if err := stop(); err != nil {
			return err
		}
		if _, err := r.file.WriteAt(zeros[:min(roomStep, r.size-offset)], offset); err != nil {
			return err
		}
		if err := r.file.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// Size is how many bytes the room takes.
func (r *Room) Size() int64 { return r.size }

// Create makes the chunk that h describes in the room, which is used up. Nil
// and errors mean what they mean for [Create].
func (r *Room) Create(fs FS, h Header) (*Chunk, error) {
	temporary, name := filepath.Join(r.dir, roomName), filepath.Join(r.dir, ChunkName(h.ID))
	if err := fill(fs, r.file, temporary, name, h.appendTo(nil)); err != nil {
		r.Drop(fs)
		return nil, err
	}
	return &Chunk{Header: h, file: r.file, size: DataStart, room: r.size, seed: h.seed()}, nil
}

// Drop gives the room back, as well as it can: what is left is removed at the
// next start.
func (r *Room) Drop(fs FS) {
	_ = r.file.Close()
	_ = fs.Remove(filepath.Join(r.dir, roomName))
}
