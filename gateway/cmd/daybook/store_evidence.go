package main

import (
	"errors"
	"fmt"
	"os"

	"daybook.dev/gateway/internal/store"
	"daybook.dev/gateway/internal/store/evidence"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
)

// evidenceOptions are the flags of `daybook store verify` about tamper evidence.
type evidenceOptions struct{ checkpoint, verifier, event string }

func (o evidenceOptions) check() error {
	if o.checkpoint == "" && (o.verifier != "" || o.event != "") {
		return wrongUsage("--verifier-file and --event need --checkpoint")
	}
	return nil
}

// verifyEvidence compares the journal with a checkpoint and prints what is
// different.
func (a *app) verifyEvidence(data string, o evidenceOptions) (evidence.Result, error) {
	signed, err := os.ReadFile(o.checkpoint)
	if err != nil {
		return evidence.Result{}, err
	}
	key := ""
	if o.verifier != "" {
		text, err := os.ReadFile(o.verifier)
		if err != nil {
			return evidence.Result{}, err
		}
		key = string(text)
	} else {
		a.hint("no --verifier-file: trusting the key in %s, which whoever changed the journal may have exchanged", evidence.Directory(data))
	}
	var printing error
	result, err := evidence.Check{
		Data: data, Checkpoint: signed, Key: key,
		Records: func(each func(wal.Record) error) (evidence.Kept, error) {
			r, err := journal.Records(data, each)
			return evidence.Kept{From: uint64(r.Begin), Next: uint64(r.Next)}, err
		},
		Found: func(f evidence.Finding) {
			if printing == nil {
				printing = a.printTampered(f)
			}
		},
	}.Run()
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%s has no tamper evidence: %w", data, err)
	}
	if err == nil {
		err = printing
	}
	return result, err
}

func (a *app) printTampered(f evidence.Finding) error {
	if !a.json() {
		_, err := fmt.Fprintf(a.stdout, "TAMPERED  %s\n", printable(f.String()))
		return err
	}
	return printJSON(a.stdout, struct {
		Tampered findingRow `json:"tampered"`
	}{findingRow{string(f.Verdict), f.Sequence, f.What}})
}

type findingRow struct {
	Verdict  string `json:"verdict"`
	Sequence uint64 `json:"sequence,omitzero"`
	What     string `json:"what"`
}

// printEvidence prints what was compared.
func (a *app) printEvidence(r evidence.Result) error {
	if a.json() {
		return printJSON(a.stdout, struct {
			Evidence evidenceRow `json:"evidence"`
		}{evidenceRow{
			First: r.Checkpoint.First, Last: r.Checkpoint.Last(), Epoch: r.Checkpoint.Epoch,
			Newest: r.Newest.Last(), Compared: r.Compared, Gone: r.Gone, Findings: r.Findings,
		}})
	}
	if r.Findings > 0 {
		return nil // they say more
	}
	_, err := fmt.Fprintf(a.stdout, "evidence    signed for %d to %d and unchanged since; %d records compared, %d no longer kept\n",
		r.Checkpoint.First, r.Checkpoint.Last(), r.Compared, r.Gone)
	return err
}

// evidenceRow says which positions the checkpoint and the newest one cover.
type evidenceRow struct {
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Epoch    uint64 `json:"epoch"`
	Newest   uint64 `json:"newest_last"`
	Compared uint64 `json:"compared_records"`
	Gone     uint64 `json:"gone_records"`
	Findings int    `json:"findings"`
}

// proveEvent proves that every record of an event is in the tree of c.
func (a *app) proveEvent(data, id string, c evidence.Checkpoint) error {
	proved := 0
	_, err := journal.Records(data, func(r wal.Record) error {
		record, err := store.ParseRecord(store.Kind(r.Kind), r.Payload)
		if err != nil || record.Event.ID != id || record.Kind != store.KindEvent {
			return nil // what cannot be parsed is damage, and was named
		}
		p, err := evidence.Prove(data, c, r)
		if err != nil {
			return err
		}
		proved++
		return a.printProof(record, r, p)
	})
	if err == nil && proved == 0 {
		err = fmt.Errorf("event %s is not in the journal", id)
	}
	return err
}

func (a *app) printProof(record store.Record, r wal.Record, p evidence.Proof) error {
	if !a.json() {
		_, err := fmt.Fprintf(a.stdout, "proved      event %s from %s is record %d of the tree that was signed\n",
			printable(record.Event.ID), printable(record.Caller), r.Sequence)
		return err
	}
	row := proofRow{
		Event: record.Event.ID, Caller: record.Caller, Position: r.Sequence, Record: append([]byte{r.Kind}, r.Payload...),
		Index: p.Index, Size: p.Size, Root: p.Root.String(), Hashes: []string{},
	}
	for _, h := range p.Hashes {
		row.Hashes = append(row.Hashes, h.String())
	}
	return printJSON(a.stdout, struct {
		Proof proofRow `json:"proof"`
	}{row})
}

// A proofRow is all that somebody needs who has the checkpoint and nothing else.
type proofRow struct {
	Event    string   `json:"event_id"`
	Caller   string   `json:"caller"`
	Position uint64   `json:"position"`
	Record   []byte   `json:"record"` // base64: kind (1 byte) and payload, of which the leaf is made
	Index    int64    `json:"index"`
	Size     int64    `json:"tree_size"`
	Root     string   `json:"root"`
	Hashes   []string `json:"proof"`
}
