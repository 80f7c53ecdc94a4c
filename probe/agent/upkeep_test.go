package agent

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirflow/weir/probe/store"
	"github.com/weirflow/weir/probe/vfs"
)

// TestStoreStatus: what is in /status of a store whose disk is full, and of one whose disk is not.
func TestStoreStatus(t *testing.T) {
	full := store.Health{Full: time.Unix(1795262400, 0), Cause: "no space left on device", Space: vfs.Space{Total: 100, Free: 3},
		PrunedDays: 2, PrunedBytes: 40, Compactions: 5, CompactionFailures: 1}
	for want, h := range map[string]store.Health{
		`{"full_since":"2026-11-21T12:00:00Z","error":"no space left on device","pruned_days":2,"pruned_bytes":40,"segments_made":5,"compaction_failures":1}`: full,
		`{"pruned_days":0,"pruned_bytes":0,"segments_made":0,"compaction_failures":0}`:                                                                        {},
	} {
		got, err := json.Marshal(storeStatus(h))
		if err != nil || string(got) != want {
			t.Errorf("%s, want %s (%v)", got, want, err)
		}
	}
}
