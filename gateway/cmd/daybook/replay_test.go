package main

import (
	"strings"
	"testing"
	"time"

	"daybook.dev"
)

func TestAReplayIsFollowedToItsEnd(t *testing.T) {
	o := newOffice(t)
	o.fill(3)
	o.runs("replay --to kafka --from start --dry-run", 0, "3 read, 3 matched, nothing delivered: a dry run\n", "")
	o.runs("replay --to kafka --from 2026-01-31T12:01:00Z --where e2 --rate 100/s", 0, "2 read, 1 matched, 1 delivered\n", "")
	if len(o.taken) != 1 || o.taken[0] != "e2" {
		t.Errorf("taken are %v, want e2", o.taken)
	}
	o.say(func([]daybook.Event) error {
		return &daybook.PartialError{Failed: []daybook.Outcome{{ID: "e1", Err: &daybook.Error{Code: daybook.Invalid, Reason: "bad", Message: "no"}}}}
	})
	o.runs("replay --to kafka --from start", 1, "failed  3  e1  bad: no\n3 read, 3 matched, 2 delivered, 1 failed\n", "")
	o.runs("replay --to nowhere --from start", 1, "", `daybook: there is no destination "nowhere"`)
	if status := o.console.run("replay", "--to", "kafka", "--from", "start", "--where", "no operator"); status != 1 || !strings.Contains(o.console.stderr.String(), "where: column 3: no operator") {
		t.Errorf("a wrong expression: %d, %q", status, o.console.stderr.String())
	}
}

func TestReplaysAreListedAndCanceled(t *testing.T) {
	o := newOffice(t)
	o.runs("replay list", 0, "", "")
	o.fill(1)
	o.say(func([]daybook.Event) error {
		return &daybook.Error{Code: daybook.Unavailable, Reason: "unreachable", Message: "no broker answers", RetryAfter: time.Hour}
	})
	if status := o.console.run("replay", "--to", "kafka", "--from", "start", "--detach"); status != 0 {
		t.Fatal(o.console.stderr.String())
	}
	id := strings.TrimSpace(o.console.stdout.String())
	for deadline := time.Now().Add(patience); ; {
		if status := o.console.run("replay", "list"); status != 0 {
			t.Fatal(o.console.stderr.String())
		}
		lines := strings.Split(o.console.stdout.String(), "\n")
		if strings.HasPrefix(lines[1], id+"  running  0%    kafka  start  now    0          0       ") && strings.HasSuffix(lines[1], "  no broker answers") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("listed is\n%s", o.console.stdout.String())
		}
	}
	o.runs("replay cancel "+id, 0, "canceled: 0 read, 0 matched, 0 delivered\n", "")
	o.runs("replay cancel none", 1, "", `daybook: there is no replay "none"`)
	if status := o.console.run("replay", "list", "-o", "json"); status != 0 || !strings.HasPrefix(o.console.stdout.String(), `{"id":"`+id+`","to":"kafka","from":"start","until":"now","state":"canceled",`) {
		t.Errorf("as JSON: %d, %q, %q", status, o.console.stdout.String(), o.console.stderr.String())
	}
}

func TestAMomentIsATimeOrHowLongAgo(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"": "", "start": "start", "2026-01-31T13:00:00+01:00": "2026-01-31T13:00:00+01:00", "90m": "2026-01-31T10:30:00Z", "7d": "2026-01-24T12:00:00Z",
	} {
		if got, err := parseWhen("from", text, now, "start"); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"now", "-1h", "yesterday", "2026-01-31"} {
		if got, err := parseWhen("from", text, now, "start"); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}
