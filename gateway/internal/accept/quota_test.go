package accept_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/caller"
)

// proved is the caller of a row, as an intake gets it.
func proved(t *testing.T, row caller.Row) caller.Caller {
	t.Helper()
	row.Name, row.Keys = "checkout", []caller.Hash{sha256.Sum256([]byte("dbk_k"))}
	callers, err := caller.New(caller.Config{Rows: []caller.Row{row}}, caller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/events", nil)
	r.Header.Set("Authorization", "Bearer dbk_k")
	who, refusal := callers.Authenticate("http", r)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return who
}

func TestABatchOverTheQuotaFailsAsAWholeAndIsWelcomeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		a := newAccepter(m)
		observed := 0
		a.Observe = func(accept.Batch, []daybook.Outcome) { observed++ }
		batch := waiting("e1", "e2", " ")
		batch.Events[2].Event.Name = "" // wrong in itself, which is not what the caller is told now
		batch.Caller = proved(t, caller.Row{Quota: caller.Quota{Events: 3, Burst: time.Second}})
		a.Accept(t.Context(), batch)
		if len(m.appends) != 1 {
			t.Fatalf("within its quota: %d appends", len(m.appends))
		}
		outcomes := a.Accept(t.Context(), batch)
		if len(m.appends) != 1 || observed != 2 {
			t.Errorf("%d appends, %d batches observed", len(m.appends), observed)
		}
		var wait time.Duration
		for i, o := range outcomes {
			e, _ := errors.AsType[*daybook.Error](o.Err)
			if o.Status != daybook.Failed || o.Reason != caller.ReasonQuota || e.Code != daybook.Exhausted || e.Index != i || o.ID != batch.Events[i].Event.ID {
				t.Fatalf("outcome %+v, error %+v", o, e)
			}
			wait = e.RetryAfter
		}
		time.Sleep(wait)
		if again := a.Accept(t.Context(), batch); again[0].Status != daybook.Stored {
			t.Errorf("after the wait that was asked for: %+v", again[0])
		}
	})
}

func TestAnEventThatItsCallerMayNotSendIsRefusedByItself(t *testing.T) {
	m := &memory{}
	batch := waiting("e1", "e2", "e3")
	batch.Caller = proved(t, caller.Row{Events: []string{"page-*"}})
	batch.Events[0].Event.Name = "page-view"
	batch.Events[1].Event.Name = "signup"
	batch.Events[2].Event.Name = " " // no name at all: that comes first
	outcomes := newAccepter(m).Accept(t.Context(), batch)
	if len(m.appends) != 1 || len(m.appends[0]) != 1 || outcomes[0].Status != daybook.Stored {
		t.Fatalf("outcomes %+v", outcomes)
	}
	refused, _ := errors.AsType[*daybook.Error](outcomes[1].Err)
	if outcomes[1].Status != daybook.Refused || refused.Code != daybook.Denied || refused.Index != 1 || outcomes[1].Reason != caller.ReasonEventNotAllowed {
		t.Errorf("outcome %+v", outcomes[1])
	}
	if outcomes[2].Reason != "blank_name" {
		t.Errorf("outcome %+v", outcomes[2])
	}
}
