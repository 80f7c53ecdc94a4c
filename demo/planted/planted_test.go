package planted

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirflow/weir/pkg/wire"
	"github.com/weirflow/weir/probe/query"
	"github.com/weirflow/weir/probe/store"
)

// The stores hold what the answers say, and the same for the same time.
func TestFleet(t *testing.T) {
	now := time.Date(2026, 11, 21, 5, 22, 0, 0, time.UTC)
	list, answers, err := Fleet(context.Background(), t.TempDir(), Config{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 5 || !answers.Last.Equal(time.Date(2026, 11, 21, 5, 20, 0, 0, time.UTC)) || answers.Last.Sub(answers.First) != 4*24*time.Hour-interval {
		t.Errorf("%d hosts, %s to %s", len(list), answers.First, answers.Last)
	}
	for _, h := range list {
		s, err := store.Open(store.Config{Path: h.Directory, ReadOnly: true}, store.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		e, err := query.New(query.DefaultConfig(), query.Deps{Stored: query.Stored(s), Host: h.Name, HostID: h.ID, Labels: h.Labels, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		request := wire.Request{Query: "iface", Ifaces: "any", First: "-10d", Merge: true, Seen: true}
		q, err := request.Prepare(now)
		if err != nil {
			t.Fatal(err)
		}
		result, err := e.Query(t.Context(), q)
		if err != nil || result.Status.State != wire.StateOK || h.ID == "" {
			t.Fatalf("%s: %v, %+v", h.Name, err, result.Status)
		}
		for _, row := range result.Rows {
			if !row.FirstSeen.Equal(answers.First) || !row.LastSeen.Equal(answers.Last) {
				t.Errorf("%s %s: %s to %s", h.Name, row.Labels.Iface, row.FirstSeen, row.LastSeen)
			}
		}
	}
	again := newBuilder(Config{Now: now, Days: 4})
	again.everyday()
	if diff := cmp.Diff(answers, again.plant()); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Fleet(context.Background(), t.TempDir(), Config{Now: now, Days: 1}); err == nil {
		t.Error("a day is enough for all plants")
	}
}
