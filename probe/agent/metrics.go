package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirflow/weir/pkg/flow"
)

// collector shows the meters' and the store's counters. Its labels are bounded: interfaces by what was captured since
// the start, reasons by flow.IssueCount.
type collector struct{ agent *Agent }

var (
	receivedDesc  = describe("capture_packets_received_total", "packets the kernel handed over", "iface")
	droppedDesc   = describe("capture_packets_dropped_total", "packets the kernel dropped because the ring was full", "iface")
	meteredDesc   = describe("meter_packets_total", "packets counted in flows", "iface")
	issuesDesc    = describe("meter_issues_total", "packets not counted in flows, by reason", "iface", "reason")
	foldedDesc    = describe("table_folded_packets_total", "packets counted by protocol alone because the flow table was full", "iface")
	flowsDesc     = describe("table_flows", "conversations in memory", "iface")
	runningDesc   = describe("capture_running", "1 while the interface is captured", "iface")
	waitingDesc   = describe("meter_waiting_intervals", "finished intervals that wait for the store", "iface")
	sinkDesc      = describe("meter_store_failures_total", "failed attempts to store an interval", "iface")
	ckptBytesDesc = describe("checkpoint_bytes_total", "bytes written to checkpoints", "iface")
	ckptErrDesc   = describe("checkpoint_failures_total", "failed checkpoints", "iface")
	blocksDesc    = describe("store_blocks_total", "intervals appended to the store")
	rowsDesc      = describe("store_rows_total", "rows appended to the store")
	bytesDesc     = describe("store_bytes_total", "bytes appended to the store")
	failuresDesc  = describe("store_failures_total", "appends to the store that failed")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("weir_"+name, help, labels, nil)
}

// Describe is part of prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	writes := c.agent.store.WriteStats()
	counter(blocksDesc, writes.Blocks)
	counter(rowsDesc, writes.Rows)
	counter(bytesDesc, writes.Bytes)
	counter(failuresDesc, writes.Failures)

	c.agent.mutex.RLock()
	defer c.agent.mutex.RUnlock()
	for name, m := range c.agent.meters {
		state, total := m.meter.Status(), m.past
		total.Add(state.Total)
		counter(receivedDesc, total.Received, name)
		counter(droppedDesc, total.Dropped, name)
		counter(meteredDesc, total.Metered, name)
		for i := flow.IssueNone + 1; i < flow.IssueCount; i++ {
			counter(issuesDesc, total.Issues[i], name, i.String())
		}
		counter(foldedDesc, state.Folded, name)
		gauge(flowsDesc, state.Flows, name)
		running := 0
		if m.err == nil {
			running = 1
		}
		gauge(runningDesc, running, name)
		gauge(waitingDesc, state.Waiting, name)
		counter(sinkDesc, state.SinkFailures, name)
		counter(ckptBytesDesc, state.Checkpoint.Bytes, name)
		counter(ckptErrDesc, state.Checkpoint.Failures, name)
	}
}
