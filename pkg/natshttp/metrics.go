package natshttp

import "github.com/prometheus/client_golang/prometheus"

// Collector shows a link, and what a responder answers over it, as metrics with the prefix weir_nats_.
type Collector struct {
	Link      *Link
	Responder *Responder // nil: this process only asks
}

var (
	connectedDesc  = describe("connected", "1 while there is a connection to a NATS server")
	reconnectsDesc = describe("disconnects_total", "connections to NATS servers that were lost")
	failuresDesc   = describe("connect_failures_total", "attempts to connect to a NATS server that failed")
	requestsDesc   = describe("requests_total", "requests that came over NATS")
	refusedDesc    = describe("requests_refused_total", "requests over NATS that were not given to the server of the API")
	cancelledDesc  = describe("requests_cancelled_total", "requests over NATS that ended because nobody waited any more")
	bytesDesc      = describe("sent_bytes_total", "bytes of answers sent over NATS")
	inFlightDesc   = describe("requests_in_flight", "requests over NATS being answered")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("weir_nats_"+name, help, nil, nil)
}

// Describe is part of prometheus.Collector.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- connectedDesc
	ch <- reconnectsDesc
	ch <- failuresDesc
	if c.Responder != nil {
		ch <- requestsDesc
		ch <- refusedDesc
		ch <- cancelledDesc
		ch <- bytesDesc
		ch <- inFlightDesc
	}
}

// Collect is part of prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	value := func(d *prometheus.Desc, kind prometheus.ValueType, v float64) {
		ch <- prometheus.MustNewConstMetric(d, kind, v)
	}
	s := c.Link.Status()
	up := 0.0
	if s.Connected {
		up = 1
	}
	value(connectedDesc, prometheus.GaugeValue, up)
	value(reconnectsDesc, prometheus.CounterValue, float64(s.Reconnects))
	value(failuresDesc, prometheus.CounterValue, float64(s.Failures))
	if r := c.Responder; r != nil {
		value(requestsDesc, prometheus.CounterValue, float64(r.counts.requests.Load()))
		value(refusedDesc, prometheus.CounterValue, float64(r.counts.refused.Load()))
		value(cancelledDesc, prometheus.CounterValue, float64(r.counts.cancelled.Load()))
		value(bytesDesc, prometheus.CounterValue, float64(r.counts.bytes.Load()))
		r.mu.Lock()
		defer r.mu.Unlock()
		value(inFlightDesc, prometheus.GaugeValue, float64(len(r.answers)))
	}
}
