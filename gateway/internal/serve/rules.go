package serve

import (
	"fmt"

	"daybook.dev/gateway/internal/intake"
)

// Problems returns what stands in the way of starting with c, each with what to
// do about it. The origins name who set what; nil means nobody did.
func (c Config) Problems(from Origins) []error {
	c = c.withDefaults()
	var problems []error
	for _, rule := range []func(Config, Origins) error{
		ingestReach, operationsReach, operationsToken, sameAddress, listenersTLS, memoryHoldsRequest, requestHoldsEvent,
		journalHoldsChunks, warnBeforeRefusing,
		memoryHoldsMessage, privateMetadataReads,
	} {
		if err := rule(c, from); err != nil {
			problems = append(problems, err)
		}
	}
	_, wrong := c.callers(from)
	problems = append(problems, wrong...)
	problems = append(problems, destinationProblems(c, from)...)
	return append(problems, ruleProblems(c, from)...)
}

// ingestReach: whoever can reach the port can write into the book.
func ingestReach(c Config, from Origins) error {
	if c.Ingest.Listen.Loopback() || c.AllowAnonymous || c.enforced() {
		return nil
	}
	return fmt.Errorf("ingest.listen: %s (%s) can be reached from other machines, and anybody there could send: "+
		"add callers (callers_file, which daybook keys create makes), pass --allow-anonymous (allow_anonymous: true) if that is meant, or listen on 127.0.0.1",
		c.Ingest.Listen, from.Of("ingest.listen"))
}

// operationsReach: whoever can reach the port can read every event.
func operationsReach(c Config, from Origins) error {
	if c.Operations.Listen == OnIngest || c.Operations.Listen.Loopback() || c.Operations.closed() {
		return nil
	}
	return fmt.Errorf("operations.listen: %s (%s) can be reached from other machines, and anybody there could read the events: "+
		"set operations.token (DAYBOOK_OPERATIONS_TOKEN), or listen on 127.0.0.1",
		c.Operations.Listen, from.Of("operations.listen"))
}

// operationsToken: callers who may send must not thereby be able to read.
func operationsToken(c Config, _ Origins) error {
	if c.Operations.Token != "" && c.Operations.Token == c.Operations.ReadToken {
		return fmt.Errorf("operations.read_token: is operations.token: whoever may only read could change everything")
	}
	if c.Operations.Listen != OnIngest || c.Operations.closed() {
		return nil
	}
	return fmt.Errorf("operations.listen: ingest puts reading on the port of those who send: " +
		"set operations.token (DAYBOOK_OPERATIONS_TOKEN), or give operations an address of its own")
}

// closed reports whether reading takes a token.
func (o Operations) closed() bool { return o.Token != "" || o.ReadToken != "" }

func sameAddress(c Config, _ Origins) error {
	if c.Ingest.Listen != c.Operations.Listen || c.Ingest.Listen.port() == "0" {
		return nil
	}
	return fmt.Errorf("operations.listen: %s is ingest.listen too: write operations.listen: ingest to share the port", c.Operations.Listen)
}

// memoryHoldsRequest: a caller would be told to try again, for ever.
func memoryHoldsRequest(c Config, _ Origins) error {
	body := &intake.Body{MaxBytes: int64(c.Limits.Request), MaxDecoded: int64(c.Limits.Decompressed)}
	need := Size(body.Need(c.Limits.Batch))
	if c.Limits.Memory >= need {
		return nil
	}
	return fmt.Errorf("limits.memory: %s is less than the %s that the largest request needs: "+
		"raise it, or lower limits.request, limits.decompressed (which counts three times) or limits.batch (1KiB for each event)",
		c.Limits.Memory, need)
}

func requestHoldsEvent(c Config, _ Origins) error {
	if c.Limits.Decompressed >= c.Limits.Event {
		return nil
	}
	return fmt.Errorf("limits.decompressed: %s is less than limits.event, %s", c.Limits.Decompressed, c.Limits.Event)
}

// leastJournal is what the journal needs to remove old events in small parts.
const leastJournal = 32 << 20

func journalHoldsChunks(c Config, _ Origins) error {
	if c.Journal.MaxSize >= leastJournal {
		return nil
	}
	return fmt.Errorf("journal.max_size: %s is less than %s, the least the journal can work with", c.Journal.MaxSize, Size(leastJournal))
}

func warnBeforeRefusing(c Config, _ Origins) error {
	if c.Journal.WarnAt <= c.Journal.RefuseAt {
		return nil
	}
	return fmt.Errorf("journal.warn_at: %s comes after journal.refuse_at, %s: nobody would be warned", c.Journal.WarnAt, c.Journal.RefuseAt)
}
