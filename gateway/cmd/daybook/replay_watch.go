package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/replay"
)

// A replayWatch follows a replay to its end.
type replayWatch struct {
	app   *app
	asker asker

	text jsontext.Value // of the last answer
	now  replayState

	away     bool   // the gateway did not answer the last time
	problem  string // that was told
	progress bool   // the cursor is on the line of the progress
}

// detached leaves the replay alone.
func (w *replayWatch) detached() error {
	if w.app.json() {
		return printLines(w.app.stdout, []jsontext.Value{w.text})
	}
	fmt.Fprintln(w.app.stdout, w.now.ID)
	return nil
}

// watchEvery is how often the gateway is asked how far it is.
const watchEvery = 250 * time.Millisecond

// toEnd waits for the end and prints it. The error says that not everything was
// delivered.
func (w *replayWatch) toEnd(ctx context.Context) error {
	for !w.now.State.Finished() {
		w.show()
		if err := sleep(ctx, watchEvery); err != nil {
			w.clear()
			w.app.hint("The gateway goes on with it: `%s replay list` shows how far it is, `%s replay cancel %s` ends it.", w.app.program, w.app.program, w.now.ID)
			return nil
		}
		if err := w.look(ctx); err != nil {
			w.clear()
			return err
		}
	}
	w.clear()
	return w.finish()
}

// look asks how far it is. A gateway that is away is waited for: it goes on with
// the replay when it is back.
func (w *replayWatch) look(ctx context.Context) error {
	var text jsontext.Value
	err := w.asker.object(ctx, http.MethodGet, "/v1/replays/"+url.PathEscape(w.now.ID), nil, &text)
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, new(awayError)):
		if !w.away {
			w.say("the gateway is away; it goes on with the replay when it is back")
		}
		w.away = true
		return nil
	case err != nil:
		return err
	}
	w.away, w.text = false, text
	w.now = replayState{}
	return json.Unmarshal(text, &w.now)
}

// show says how far it is, and what keeps it.
func (w *replayWatch) show() {
	told := ""
	if p := w.now.Problem; p != nil {
		told = fmt.Sprintf("the replay %s: %s (%s)", map[bool]string{true: "is paused", false: "does not get on"}[w.now.State == replay.Paused],
			printable(p.Message), printable(p.Reason))
	}
	if told != "" && told != w.problem {
		w.say(told)
	}
	w.problem = told
	if w.app.stderrIsTerminal {
		w.progress = true
		fmt.Fprintf(w.app.stderr, "\r\x1b[K%3.0f%%  %s", w.now.Percent, countsText(&w.now.Job))
	}
}

// say writes a line to standard error, in place of the progress.
func (w *replayWatch) say(text string) {
	w.clear()
	fmt.Fprintf(w.app.stderr, "daybook: %s\n", text)
}

// clear takes the progress off the screen.
func (w *replayWatch) clear() {
	if w.progress {
		w.progress = false
		fmt.Fprint(w.app.stderr, "\r\x1b[K")
	}
}

// finish prints how it ended.
func (w *replayWatch) finish() error {
	j := &w.now.Job
	if w.app.json() {
		if err := printLines(w.app.stdout, []jsontext.Value{w.text}); err != nil {
			return err
		}
	} else {
		for _, f := range j.Failures {
			fmt.Fprintf(w.app.stdout, "failed  %d  %s  %s: %s\n", f.Position, printable(f.EventID), cell(f.Reason), printable(f.Message))
		}
		fmt.Fprintln(w.app.stdout, countsText(j))
	}
	switch {
	case j.State == replay.Done && j.Failed == 0:
		return nil
	case j.State == replay.Canceled:
		return errors.New("the replay was canceled")
	case j.Problem != nil:
		return fmt.Errorf("the replay is broken: %s", printable(j.Problem.Message))
	}
	return errReported
}

// countsText says what became of the events of a replay.
func countsText(j *replay.Job) string {
	parts := []string{fmt.Sprintf("%d read", j.Read), fmt.Sprintf("%d matched", j.Matched)}
	if !j.DryRun {
		parts = append(parts, fmt.Sprintf("%d delivered", j.Delivered))
	}
	for _, c := range []struct {
		n    uint64
		word string
	}{
		{j.Failed, "failed"},
		{j.Skipped, "not for this destination"},
		{j.Missed, "records no longer kept"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if j.DryRun {
		parts = append(parts, "nothing delivered: a dry run")
	}
	return strings.Join(parts, ", ")
}
