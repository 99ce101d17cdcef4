package operations

import (
	"context"
	"fmt"
	"net/http"

	"daybook.dev/gateway/internal/replay"
)

// Replays hand events of the past to a destination again: see [replay.Replayer].
type Replays interface {
	Start(ctx context.Context, s replay.Spec) (replay.Job, error)
	List() []replay.Job
	Job(id string) (replay.Job, bool)
	Cancel(id string) (replay.Job, bool, error)
}

// replayRoutes adds the routes about replays.
func replayRoutes(routes *http.ServeMux, o Options) {
	if o.Replays == nil {
		routes.Handle("/v1/replays/", notAvailable("replays are", o.Direct))
		routes.Handle("/v1/replays", notAvailable("replays are", o.Direct))
		return
	}
	r := &replays{replays: o.Replays, failed: o.Failed}
	routes.HandleFunc("GET /v1/replays", r.list)
	routes.HandleFunc("GET /v1/replays/{id}", r.show)
	routes.Handle("POST /v1/replays", o.Guard.protectChange(http.HandlerFunc(r.start)))
	routes.Handle("DELETE /v1/replays/{id}", o.Guard.protectChange(http.HandlerFunc(r.cancel)))
}

type replays struct {
	replays Replays
	failed  func(error)
}

// A replayRow is a replay as JSON.
type replayRow struct {
	replay.Job
	Percent float64 `json:"percent"`
}

func replayRowOf(j replay.Job) replayRow { return replayRow{Job: j, Percent: j.Percent()} }

func (s *replays) list(w http.ResponseWriter, _ *http.Request) {
	rows := []replayRow{}
	for _, j := range s.replays.List() {
		rows = append(rows, replayRowOf(j))
	}
	writeJSON(w, http.StatusOK, map[string]any{"replays": rows})
}

func (s *replays) show(w http.ResponseWriter, r *http.Request) {
	j, ok := s.replays.Job(r.PathValue("id"))
	if !ok {
		noReplay(w, r)
		return
	}
	writeJSON(w, http.StatusOK, replayRowOf(j))
}

func noReplay(w http.ResponseWriter, r *http.Request) {
	notFound(w, fmt.Sprintf("there is no replay %q; finished ones are forgotten after a week", r.PathValue("id")))
}

func (s *replays) start(w http.ResponseWriter, r *http.Request) {
	var spec replay.Spec
	if !readJSON(w, r, &spec) {
		return
	}
	j, err := s.replays.Start(r.Context(), spec)
	if err != nil {
		refuseError(w, err, s.failed)
		return
	}
	w.Header().Set("Location", "/v1/replays/"+j.ID)
	writeJSON(w, http.StatusCreated, replayRowOf(j))
}

func (s *replays) cancel(w http.ResponseWriter, r *http.Request) {
	j, ok, err := s.replays.Cancel(r.PathValue("id"))
	switch {
	case !ok:
		noReplay(w, r)
	case err != nil:
		refuseError(w, err, s.failed)
	default:
		writeJSON(w, http.StatusOK, replayRowOf(j))
	}
}
