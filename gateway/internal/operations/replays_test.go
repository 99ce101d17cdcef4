package operations_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/operations"
	"daybook.dev/gateway/internal/replay"
)

// replayRoutes returns the routes about the replays of a store, to which nobody
// gives a place to run.
func replayRoutes(t *testing.T, s *shelf) http.Handler {
	t.Helper()
	r, err := replay.Open(replay.Options{
		Data: t.TempDir(), Source: s, Destinations: []string{"kafka"},
		Write: func(context.Context, string, []daybook.Event) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return operations.New(operations.Options{Events: s, Replays: r, Metrics: metrics, Guard: operations.Guard{Host: "127.0.0.1", Changes: "secret"}})
}

func TestAReplayIsAskedForListedAndCanceled(t *testing.T) {
	h := replayRoutes(t, letters())
	if w := get(h, "/v1/replays", "localhost"); w.Body.String() != `{"replays":[]}`+"\n" {
		t.Errorf("in the beginning: %s", w.Body)
	}
	w := post(h, "POST", "/v1/replays", `{"to":"kafka","from":"start","rate":5,"dry_run":true}`, "Authorization", "Bearer secret")
	var j struct {
		replay.Job
		Percent *float64 `json:"percent"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil || w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/replays/"+j.ID {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if j.To != "kafka" || j.Rate != 5 || !j.DryRun || j.State != replay.Queued || j.End != 4 || j.Percent == nil || *j.Percent != 0 {
		t.Errorf("it is %+v", j)
	}
	shown := get(h, "/v1/replays/"+j.ID, "localhost").Body.String()
	if shown != w.Body.String() {
		t.Errorf("shown is %s, want %s", shown, w.Body)
	}
	if listed := get(h, "/v1/replays", "localhost").Body.String(); listed != `{"replays":[`+strings.TrimSpace(shown)+"]}\n" {
		t.Errorf("listed are %s", listed)
	}
	w = post(h, "DELETE", "/v1/replays/"+j.ID, "", "Authorization", "Bearer secret")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"state":"canceled"`) {
		t.Errorf("canceled: %d %s", w.Code, w.Body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if w := post(h, method, "/v1/replays/none", "", "Authorization", "Bearer secret"); w.Code != 404 || !strings.Contains(w.Body.String(), `there is no replay \"none\"`) {
			t.Errorf("%s of one that is not there: %d %s", method, w.Code, w.Body)
		}
	}
}

func TestAReplayThatIsNotUnderstoodIsRefused(t *testing.T) {
	h := replayRoutes(t, letters())
	for body, want := range map[string]string{
		`{"to":"elsewhere","from":"start"}`:           `"field":"to","message":"there is no destination \"elsewhere\""`,
		`{"to":"kafka"}`:                              `"field":"from"`,
		`{"to":"kafka","from":"start","where":"x"}`:   `"field":"where","message":"where: there are no expressions here"`,
		`{"to":"kafka","from":"start","dryrun":true}`: `unknown field \"dryrun\"`,
	} {
		w := post(h, "POST", "/v1/replays", body, "Authorization", "Bearer secret")
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", body, w.Code, w.Body, want)
		}
	}
}

// changes are the requests that change something.
var changes = map[string]string{
	"POST /v1/deadletters/retry": `{"all":true}`,
	"POST /v1/deadletters/drop":  `{"all":true}`,
	"POST /v1/replays":           `{"to":"kafka","from":"start"}`,
	"DELETE /v1/replays/x":       "",
}

func TestOnlyTheTokenChangesAnything(t *testing.T) {
	for request, body := range changes {
		method, path, _ := strings.Cut(request, " ")
		for name, test := range map[string]struct {
			guard   operations.Guard
			headers []string
			want    int // 0 = let through
		}{
			"no token on loopback":                 {operations.Guard{Changes: "made"}, nil, 401},
			"a wrong one":                          {operations.Guard{Changes: "made"}, []string{"Authorization", "Bearer mad"}, 401},
			"the one that was made":                {operations.Guard{Changes: "made"}, []string{"Authorization", "Bearer made"}, 0},
			"the configured one":                   {operations.Guard{Token: "set", Changes: "made"}, []string{"Authorization", "Bearer set"}, 0},
			"the one that was made, but not asked": {operations.Guard{Token: "set", Changes: "made"}, []string{"Authorization", "Bearer made"}, 401},
			"a gateway without any":                {operations.Guard{}, []string{"Authorization", "Bearer "}, 403},
			"a page of another origin":             {operations.Guard{Changes: "made"}, []string{"Authorization", "Bearer made", "Origin", "https://evil.example"}, 403},
		} {
			s := letters()
			d := deadRoutesWith(t, s, test.guard)
			w := post(d, method, path, body, test.headers...)
			if through := w.Code != 401 && w.Code != 403; through != (test.want == 0) || !through && w.Code != test.want {
				t.Errorf("%s with %s: %d %s", request, name, w.Code, w.Body)
			}
			if _, newest := s.Bounds(); test.want != 0 && newest != 4 {
				t.Errorf("%s with %s: something was written", request, name)
			}
		}
	}
}
