package deadletter

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"unique"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// The file of a checkpoint: the magic, a body, and the CRC-32C of both (4 bytes,
// little endian). The body is, with numbers as unsigned varints and texts behind
// their length:
//
//	store · through · unlisted · expired
//	how many texts · the texts that letters share
//	how many letters · for each, in the order of their records:
//	  destination · name · caller · reason · field · message   each the number of a shared text
//	  position · record · id · received (nanoseconds, zigzag) · attempts · code
//
// Another magic is another format; a file of one is made again from the store.
const (
	fileName = "deadletters.index"
	magic    = "DBKDEAD1"
	maxFile  = 1 << 30
)

// A checkpoint says what a file holds.
type checkpoint struct {
	through store.Position
	version uint64
}

// load reads the file, where there is a good one.
func (x *Index) load() {
	content, err := wal.ReadFile(x.options.FS, x.file, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	read := newLetters(x.options.Most, x.options.PerCaller)
	if err == nil {
		err = read.decode(content, x.options.Store)
	}
	_, newest := x.options.Source.Bounds()
	if err == nil && read.through > newest {
		err = errors.New("it is ahead of the store")
	}
	if err != nil {
		x.options.Log.Warn("the index of dead letters is not used; it is made again from the journal", "file", x.file, "err", err)
		return
	}
	x.letters = read
	x.saved = checkpoint{read.through, read.version}
}

// save writes the file, if there is something new to write. A failure costs
// time at the next start, and nothing else.
func (x *Index) save() {
	x.mu.Lock()
	now := checkpoint{x.letters.through, x.letters.version}
	if now.version == x.saved.version && now.through-x.saved.through < saveRecords {
		x.mu.Unlock()
		return
	}
	content := x.letters.encode(x.options.Store)
	x.mu.Unlock()
	if err := wal.ReplaceFile(x.options.FS, x.file, content); err != nil {
		x.options.Log.Warn("the index of dead letters could not be written; it is kept in memory", "file", x.file, "err", err)
		return
	}
	x.saved = now
}

// encode returns the content of the file.
func (s *letters) encode(storeName string) []byte {
	texts := map[text]uint64{}
	var shared []byte
	number := func(t text) uint64 {
		n, known := texts[t]
		if !known {
			n = uint64(len(texts))
			texts[t] = n
			shared = appendText(shared, t.Value())
		}
		return n
	}
	body := make([]byte, 0, 64*len(s.open))
	for _, l := range s.all.letters {
		if l.gone {
			continue
		}
		for _, t := range [...]text{l.destination, l.name, l.caller, l.reason, l.field, l.message} {
			body = binary.AppendUvarint(body, number(t))
		}
		body = binary.AppendUvarint(body, uint64(l.position))
		body = binary.AppendUvarint(body, uint64(l.record))
		body = appendText(body, l.id)
		body = binary.AppendVarint(body, l.received)
		body = binary.AppendUvarint(body, uint64(l.attempts))
		body = binary.AppendUvarint(body, uint64(l.code))
	}
	file := appendText([]byte(magic), storeName)
	for _, n := range [...]uint64{uint64(s.through), s.unlisted, s.expired, uint64(len(texts))} {
		file = binary.AppendUvarint(file, n)
	}
	file = append(file, shared...)
	file = binary.AppendUvarint(file, uint64(len(s.open)))
	file = append(file, body...)
	return binary.LittleEndian.AppendUint32(file, wal.Checksum(file))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var errDamaged = errors.New("it is damaged")

// decode makes s what was encoded. After an error s is not usable.
func (s *letters) decode(file []byte, storeName string) error {
	const check = 4
	if len(file) < len(magic)+check || string(file[:len(magic)]) != magic {
		return errors.New("it is no index of dead letters of this version")
	}
	end := len(file) - check
	if wal.Checksum(file[:end]) != binary.LittleEndian.Uint32(file[end:]) {
		return errDamaged
	}
	d := decoder{left: file[len(magic):end]}
	if of := d.text(); d.failed || of != storeName {
		return errors.New("it is the index of another store")
	}
	s.through, s.unlisted, s.expired = store.Position(d.number()), d.number(), d.number()
	unlisted := s.unlisted
	var texts []text
	for range min(d.number(), uint64(len(d.left))) {
		texts = append(texts, unique.Make(d.text()))
	}
	shared := func() text {
		if n := d.number(); n < uint64(len(texts)) {
			return texts[n]
		}
		d.failed = true
		return text{}
	}
	for range d.number() {
		l := &letter{}
		for _, t := range [...]*text{&l.destination, &l.name, &l.caller, &l.reason, &l.field, &l.message} {
			*t = shared()
		}
		l.position, l.record, l.id = store.Position(d.number()), store.Position(d.number()), d.text()
		l.received, l.attempts, l.code = d.signed(), uint32(d.number()), daybook.Code(d.number())
		if d.failed {
			return errDamaged
		}
		s.add(l)
	}
	if d.failed || len(d.left) > 0 {
		return errDamaged
	}
	if s.unlisted == unlisted {
		s.version = 0 // the file holds exactly this
	}
	return nil
}

// A decoder reads numbers and texts. After a failure everything is zero.
type decoder struct {
	left   []byte
	failed bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.left)
	if !d.skip(size) {
		return 0
	}
	return n
}

func (d *decoder) signed() int64 {
	n, size := binary.Varint(d.left)
	if !d.skip(size) {
		return 0
	}
	return n
}

func (d *decoder) skip(size int) bool {
	if size <= 0 || size > len(d.left) {
		d.failed, d.left = true, nil
		return false
	}
	d.left = d.left[size:]
	return true
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.left)) {
		d.failed, d.left = true, nil
		return ""
	}
	s := string(d.left[:n])
	d.left = d.left[n:]
	return s
}
