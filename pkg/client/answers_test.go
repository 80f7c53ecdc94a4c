package client

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Answers share their memory; what does not fit goes on one by one, or fails with its deadline, and all is given back.
func TestAnswersAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAnswers(4*answerStep, 1)
		body := strings.Repeat("x", 3*answerStep)
		first, firstDone := a.read(t.Context(), strings.NewReader(body))
		if n, err := io.Copy(io.Discard, first); n != int64(len(body)) || err != nil {
			t.Fatal(n, err)
		}
		second, secondDone := a.read(t.Context(), strings.NewReader(body)) // has one step, then the lane
		if n, err := io.Copy(io.Discard, second); n != int64(len(body)) || err != nil {
			t.Fatal(n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		third, thirdDone := a.read(ctx, strings.NewReader(body))
		if n, err := io.Copy(io.Discard, third); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("beyond all: %d bytes, %v", n, err)
		}
		thirdDone()
		fourth, fourthDone := a.read(t.Context(), strings.NewReader(body))
		time.AfterFunc(time.Second, secondDone)
		started := time.Now()
		if n, err := io.Copy(io.Discard, fourth); n != int64(len(body)) || err != nil || time.Since(started) != time.Second {
			t.Errorf("it does not wait for the lane: %d bytes, %v, after %v", n, err, time.Since(started))
		}
		fourthDone()
		firstDone()
		if a.free.Load() != 4*answerStep || len(a.lanes) != 0 {
			t.Errorf("not given back: %d bytes free, %d lanes taken", a.free.Load(), len(a.lanes))
		}
	})
}
