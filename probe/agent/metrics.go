package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/pkg/flow"
	"github.com/weirflow/weir/probe/meter"
)

// totals are the counters of an interface that go on when it comes back.
type totals struct {
	lastWrite                           time.Time // of the latest interval that was stored
	accounting                          flow.Accounting
	folded, unassigned, frozen          uint64
	condensed, sinkFailures             uint64
	checkpointBytes, checkpointFailures uint64
}

// add adds what a meter counted.
func (t *totals) add(s meter.Status) {
	if s.LastWrite.After(t.lastWrite) {
		t.lastWrite = s.LastWrite
	}
	t.accounting.Add(s.Total)
	t.folded += s.Folded
	t.unassigned += s.Unassigned
	t.frozen += s.Frozen
	t.condensed += s.Condensed
	t.sinkFailures += s.SinkFailures
	t.checkpointBytes += s.Checkpoint.Bytes
	t.checkpointFailures += s.Checkpoint.Failures
}

// totals of all meters that ran on the interface, or on the one it is derived from, given the state of the last ones.
func (m *metered) totals(last meter.Status) totals {
	t := m.past[last.Interface]
	t.add(last)
	return t
}

// collector shows the meters' and the store's counters. Its labels are bounded: interfaces by what is captured (see
// forgetAfter), reasons by flow.IssueCount. docs/METRICS.md describes every metric; a test holds that.
type collector struct{ agent *Agent }

var (
	receivedDesc   = describe("capture_packets_received_total", "packets the kernel handed over", "iface")
	droppedDesc    = describe("capture_packets_dropped_total", "packets the kernel dropped because the ring was full", "iface")
	runningDesc    = describe("capture_running", "1 while the interface is captured", "iface")
	meteredDesc    = describe("meter_packets_total", "packets counted in flows", "iface")
	issuesDesc     = describe("meter_issues_total", "packets not counted in flows, by reason", "iface", "reason")
	waitingDesc    = describe("meter_waiting_intervals", "finished intervals that wait for the store", "iface")
	condensedDesc  = describe("meter_condensed_intervals_total", "intervals reduced to sums by protocol because too many rows waited for the store", "iface")
	sinkDesc       = describe("meter_store_failures_total", "failed attempts to store an interval", "iface")
	flowsDesc      = describe("table_flows", "conversations in memory", "iface")
	memoryDesc     = describe("table_memory_bytes", "memory that the flow table takes", "iface")
	frozenDesc     = describe("capture_ring_frozen_total", "times the capture ring became full", "iface")
	fillDesc       = describe("capture_ring_fill_ratio", "part of the capture ring that waits to be read, 0 to 1", "iface")
	unassignedDesc = describe("meter_unassigned_packets_total", "packets that another worker of the interface metered in place of the one they are for, because that had no room", "iface")
	foldedDesc     = describe("table_folded_packets_total", "packets counted by protocol alone because the flow table was full", "iface")
	ckptBytesDesc  = describe("checkpoint_bytes_total", "bytes written to checkpoints", "iface")
	ckptErrDesc    = describe("checkpoint_failures_total", "failed checkpoints", "iface")
	blocksDesc     = describe("store_blocks_total", "intervals appended to the store")
	rowsDesc       = describe("store_rows_total", "rows appended to the store")
	bytesDesc      = describe("store_bytes_total", "bytes appended to the store")
	failuresDesc   = describe("store_failures_total", "appends to the store that failed")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("weir_"+name, help, labels, nil)
}

// Describe is part of prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append(upkeepDescs(),
		receivedDesc, droppedDesc, runningDesc, meteredDesc, issuesDesc, waitingDesc, condensedDesc, sinkDesc,
		flowsDesc, memoryDesc, frozenDesc, fillDesc, unassignedDesc, foldedDesc, ckptBytesDesc, ckptErrDesc, blocksDesc, rowsDesc, bytesDesc, failuresDesc,
	) {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	writes := c.agent.store.WriteStats()
	count(ch, blocksDesc, writes.Blocks)
	count(ch, rowsDesc, writes.Rows)
	count(ch, bytesDesc, writes.Bytes)
	count(ch, failuresDesc, writes.Failures)
	collectUpkeep(ch, c.agent.store.Health())
	c.agent.mutex.RLock()
	defer c.agent.mutex.RUnlock()
	for name, m := range c.agent.meters {
		for _, state := range m.states(name) {
			collectInterface(ch, state, m)
		}
	}
}

func collectInterface(ch chan<- prometheus.Metric, state meter.Status, m *metered) {
	name, total := state.Interface, m.totals(state)
	count(ch, receivedDesc, total.accounting.Received, name)
	count(ch, droppedDesc, total.accounting.Dropped, name)
	count(ch, meteredDesc, total.accounting.Metered, name)
	for i := flow.IssueNone + 1; i < flow.IssueCount; i++ {
		count(ch, issuesDesc, total.accounting.Issues[i], name, i.String())
	}
	count(ch, foldedDesc, total.folded, name)
	gauge(ch, flowsDesc, state.Flows, name)
	gauge(ch, memoryDesc, state.Memory, name)
	if state.Parent != "" {
		return // the others are those of the captured interface
	}
	count(ch, condensedDesc, total.condensed, name)
	count(ch, sinkDesc, total.sinkFailures, name)
	count(ch, frozenDesc, total.frozen, name)
	count(ch, unassignedDesc, total.unassigned, name)
	if state.RingFill >= 0 {
		ch <- prometheus.MustNewConstMetric(fillDesc, prometheus.GaugeValue, state.RingFill, name)
	}
	count(ch, ckptBytesDesc, total.checkpointBytes, name)
	count(ch, ckptErrDesc, total.checkpointFailures, name)
	running := 0
	if m.err == nil {
		running = 1
	}
	gauge(ch, runningDesc, running, name)
	gauge(ch, waitingDesc, state.Waiting, name)
}

func count(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v int, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
}
