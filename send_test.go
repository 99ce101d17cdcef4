package daybook_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev"
)

func TestFlushWaitsForTheQueueWhileOthersSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(_ context.Context, events []daybook.Event) error {
			if events[0].Name == "queued" {
				<-gate
			}
			return nil
		})
		c := open(t, daybook.Config{Sinks: to(m)})
		record(t, c, "queued")
		flush := flushing(t, c)
		synctest.Wait()
		if _, err := c.Send(t.Context(), daybook.Event{Name: "sent"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-flush:
			t.Errorf("it did not wait: %v", err)
			close(gate)
			return
		default:
		}
		close(gate)
		if err := <-flush; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsBeingSentTakesNoRoomInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := &memory{}, make(chan struct{})
		m.answers(func(_ context.Context, events []daybook.Event) error {
			if events[0].Name == "sent" {
				<-gate
			}
			return nil
		})
		c := open(t, daybook.Config{Sinks: to(m), Queue: daybook.QueueOptions{Events: 16}})
		done := make(chan error)
		go func() {
			_, err := c.Send(t.Context(), slices.Repeat([]daybook.Event{{Name: "sent"}}, 16)...)
			done <- err
		}()
		synctest.Wait()
		record(t, c, "a")
		if s := balanced(t, c); s.Dropped["queue_full"] != 0 || s.Queued != 17 {
			t.Errorf("stats %+v", s)
		}
		flush := flushing(t, c)
		time.Sleep(time.Second)
		select {
		case err := <-flush:
			t.Errorf("Flush did not wait for what is being sent: %v", err)
		default:
		}
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-flush; err != nil {
			t.Error(err)
		}
		balanced(t, c)
	})
}
