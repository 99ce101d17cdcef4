package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint is the tree at one moment. Signed, it is a note as
// golang.org/x/mod/sumdb/note and C2SP's tlog-checkpoint have it.
type Checkpoint struct {
	Journal string // the journal's id, hexadecimal
	Size    int64  // leaves of the tree
	Root    tlog.Hash
	First   uint64 // sequence of the first leaf
	Epoch   uint64 // of the journal when it was signed
}

// originPrefix begins the first line, which names the tree.
const originPrefix = "daybook.dev/journal/"

// Last is the sequence of the last record that the tree covers.
func (c Checkpoint) Last() uint64 { return c.First + uint64(c.Size) - 1 }

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s%s\n%d\n%s\nfirst %d\nepoch %d\n", originPrefix, c.Journal, c.Size, c.Root, c.First, c.Epoch)
}

func (c Checkpoint) sign(k Key) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text()}, k.signer)
}

// parseCheckpoint parses the text of a checkpoint. Lines behind the known ones
// are a later version's.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 6 {
		return Checkpoint{}, errors.New("not a checkpoint of a journal")
	}
	journal, named := strings.CutPrefix(lines[0], originPrefix)
	size, err1 := strconv.ParseInt(lines[1], 10, 64)
	root, err2 := tlog.ParseHash(lines[2])
	first, err3 := number(lines[3], "first ")
	epoch, err4 := number(lines[4], "epoch ")
	if !named || size < 0 || first == 0 || errors.Join(err1, err2, err3, err4) != nil {
		return Checkpoint{}, errors.New("not a checkpoint of a journal")
	}
	return Checkpoint{Journal: journal, Size: size, Root: root, First: first, Epoch: epoch}, nil
}

func number(line, name string) (uint64, error) {
	text, ok := strings.CutPrefix(line, name)
	if !ok {
		return 0, fmt.Errorf("no %q", name)
	}
	return strconv.ParseUint(text, 10, 64)
}

// OpenCheckpoint checks the signature of a checkpoint and parses it.
func OpenCheckpoint(signed []byte, verifier string) (Checkpoint, error) {
	// Editors end files with more lines than one.
	text, err := open(append(bytes.TrimRight(signed, "\n"), '\n'), verifier)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(text)
}
