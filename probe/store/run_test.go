package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirflow/weir/probe/vfs"
)

// TestRunLooksAfterTheStore lives through a day and a full disk on a given clock.
func TestRunLooksAfterTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		files := vfs.NewMemory()
		start := time.Now() // midnight of 2000-01-01 in a bubble
		s, err := Open(Config{Path: "/db", Retention: Retention{MinFree: 6000}}, Deps{FS: files, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			s.Run(ctx)
			close(done)
		}()
		rows := randomRecords(rand.New(rand.NewPCG(1, 1)), 100)
		for i := range 12 * 26 {
			time.Sleep(5 * time.Minute)
			mustAppend(t, s, "eth0", interval(time.Now().Unix(), uint64(i)), rows)
			synctest.Wait()
		}
		time.Sleep(5*time.Minute - time.Second)
		synctest.Wait()
		names := filesOf(files)
		if !slices.Equal(names, []string{"2000-01-01.wseg", "2000-01-02.0001.wseg", "2000-01-02.0002.wseg"}) {
			t.Fatalf("after 26 hours: %v", names)
		}
		used := int64(0)
		for _, name := range files.Files() {
			used += int64(len(files.Bytes(name)))
		}
		files.SetQuota(used + 10)
		if err := s.Append(ctx, "eth0", interval(time.Now().Unix(), 9999), rows); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		synctest.Wait()
		if h := s.Health(); h.PrunedDays != 1 || h.Full.IsZero() || h.Space.Free == 0 {
			t.Errorf("a full disk: %+v", h)
		}
		mustAppend(t, s, "eth0", interval(time.Now().Unix(), 9999), rows)
		files.SetQuota(1)
		time.Sleep(2 * time.Hour) // nothing fits, nothing can go: it is said once, not every minute
		synctest.Wait()
		cancel()
		<-done
		if n := strings.Count(log.String(), errNoRoom.Error()); n != 1 {
			t.Errorf("what cannot be compacted is told %d times:\n%s", n, log.String())
		}
		t.Logf("%v in the bubble", time.Since(start))
	})
}
