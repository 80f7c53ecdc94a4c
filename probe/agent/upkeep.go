package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/probe/store"
)

// StoreStatus is how the store is doing: its disk, what retention deleted and what was compacted since the start.
type StoreStatus struct {
	FullSince          time.Time `json:"full_since,omitzero"` // flows wait in memory since then
	Error              string    `json:"error,omitempty"`     // why they do
	PrunedDays         uint64    `json:"pruned_days"`
	PrunedBytes        uint64    `json:"pruned_bytes"`
	Segments           uint64    `json:"segments_made"`
	CompactionFailures uint64    `json:"compaction_failures"`
}

func storeStatus(h store.Health) StoreStatus {
	return StoreStatus{FullSince: h.Full.UTC(), Error: h.Cause, PrunedDays: h.PrunedDays, PrunedBytes: h.PrunedBytes, Segments: h.Compactions, CompactionFailures: h.CompactionFailures}
}

var (
	fullDesc        = describe("store_full", "1 while flows wait in memory because the disk is full")
	freeDesc        = describe("store_free_bytes", "room on the disk of the store")
	prunedDaysDesc  = describe("store_pruned_days_total", "days deleted by retention")
	prunedBytesDesc = describe("store_pruned_bytes_total", "bytes deleted by retention")
	segmentsDesc    = describe("store_segments_total", "segments made by compaction")
	compactErrDesc  = describe("store_compaction_failures_total", "days whose compaction failed")
)

// upkeepDescs are the metrics of collectUpkeep.
func upkeepDescs() []*prometheus.Desc {
	return []*prometheus.Desc{fullDesc, freeDesc, prunedDaysDesc, prunedBytesDesc, segmentsDesc, compactErrDesc}
}

func collectUpkeep(ch chan<- prometheus.Metric, h store.Health) {
	full := 0
	if !h.Full.IsZero() {
		full = 1
	}
	gauge(ch, fullDesc, full)
	gauge(ch, freeDesc, int(min(h.Space.Free, 1<<62)))
	count(ch, prunedDaysDesc, h.PrunedDays)
	count(ch, prunedBytesDesc, h.PrunedBytes)
	count(ch, segmentsDesc, h.Compactions)
	count(ch, compactErrDesc, h.CompactionFailures)
}
