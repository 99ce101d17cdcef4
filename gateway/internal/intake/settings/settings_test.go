package settings_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"daybook.dev/gateway/internal/intake/settings"
)

// ask returns the answer to a request with these tags.
func ask(h http.Handler, method string, tags ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, settings.Path, nil)
	for _, tag := range tags {
		r.Header.Add("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func serving(text string) *settings.Handler {
	h := new(settings.Handler)
	h.Set([]byte(text))
	return h
}

func TestSettingsAreSentOnce(t *testing.T) {
	h := serving(`{"kill":["hook"]}`)
	first := ask(h, http.MethodGet)
	tag := first.Header().Get("ETag")
	if first.Code != 200 || first.Body.String() != `{"kill":["hook"]}` || tag == "" || first.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", first.Code, first.Header(), first.Body)
	}
	for _, tags := range [][]string{{tag}, {"W/" + tag}, {`"x", ` + tag}, {`"x"`, tag}, {"*"}} {
		if again := ask(h, http.MethodGet, tags...); again.Code != 304 || again.Body.Len() != 0 || again.Header().Get("ETag") != tag {
			t.Errorf("%v: %d %s", tags, again.Code, again.Body)
		}
	}
	if other := ask(h, http.MethodGet, `"x"`); other.Code != 200 {
		t.Errorf("another tag: %d", other.Code)
	}
	if same := ask(serving(`{"kill":["hook"]}`), http.MethodGet, tag); same.Code != 304 {
		t.Errorf("the same settings after a restart: %d", same.Code)
	}
	if changed := ask(serving(`{}`), http.MethodGet, tag); changed.Code != 200 {
		t.Errorf("other settings: %d", changed.Code)
	}
}

func TestSettingsCanBeReplacedWhileTheyAreServed(t *testing.T) {
	h := serving(`{}`)
	tag := ask(h, http.MethodGet).Header().Get("ETag")
	h.Set([]byte(`{"kill":["hook"]}`))
	if w := ask(h, http.MethodGet, tag); w.Code != 200 || w.Body.String() != `{"kill":["hook"]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h.Set(nil)
	if w := ask(h, http.MethodGet, tag); w.Code != 404 {
		t.Errorf("taken away: %d", w.Code)
	}
}

func TestAGatewayWithoutSettingsSaysSo(t *testing.T) {
	if w := ask(new(settings.Handler), http.MethodGet); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	if w := ask(serving(`{}`), http.MethodPost); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("a POST: %d", w.Code)
	}
}
