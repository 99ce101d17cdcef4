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

func TestSettingsAreSentOnce(t *testing.T) {
	h := settings.Handler([]byte(`{"kill":["hook"]}`))
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
	if same := ask(settings.Handler([]byte(`{"kill":["hook"]}`)), http.MethodGet, tag); same.Code != 304 {
		t.Errorf("the same settings after a restart: %d", same.Code)
	}
	if changed := ask(settings.Handler([]byte(`{}`)), http.MethodGet, tag); changed.Code != 200 {
		t.Errorf("other settings: %d", changed.Code)
	}
}

func TestAGatewayWithoutSettingsSaysSo(t *testing.T) {
	if w := ask(settings.Handler(nil), http.MethodGet); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	if w := ask(settings.Handler([]byte(`{}`)), http.MethodPost); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("a POST: %d", w.Code)
	}
}
