package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
)

// collector shows how hosts and sources are. Its labels are bounded by the inventory. docs/OPERATIONS.md describes every
// metric; a test holds that.
type collector struct{ gateway *Gateway }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("weir_"+name, help, labels, nil)
}

var (
	hostsDesc    = describe("fleet_hosts", "hosts, by state of their breaker", "state")
	upDesc       = describe("fleet_host_up", "1 while the host is asked, 0 while its breaker is open", "host")
	answersDesc  = describe("fleet_answers_total", "answers of hosts")
	failuresDesc = describe("fleet_failures_total", "hosts that did not answer, by class", "class")
	sourceDesc   = describe("inventory_source_up", "1 while the source can be read", "source")
	knownDesc    = describe("inventory_hosts", "hosts that the source last gave", "source")
	faultsDesc   = describe("inventory_faults", "hosts of the source that were left out", "source")
	loadedDesc   = describe("inventory_loaded_timestamp_seconds", "when the source was last read", "source")
	configDesc   = describe("gateway_config_ok", "1 while the configuration on disk is the one that counts")
)

// Collector gives the gateway's metrics.
func (g *Gateway) Collector() prometheus.Collector { return collector{g} }

// Describe is part of prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{hostsDesc, upDesc, answersDesc, failuresDesc, sourceDesc, knownDesc, faultsDesc, loadedDesc, configDesc} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	status := c.gateway.Status()
	states := map[string]int{"closed": 0, "open": 0, "half-open": 0}
	for _, h := range status.Hosts {
		states[h.Breaker.State]++
		gauge(upDesc, truth(h.Breaker.State == "closed"), h.Name)
	}
	for state, n := range states {
		gauge(hostsDesc, float64(n), state)
	}
	answers, failures := c.gateway.fleet.Load().Totals()
	ch <- prometheus.MustNewConstMetric(answersDesc, prometheus.CounterValue, float64(answers))
	for class, n := range failures {
		ch <- prometheus.MustNewConstMetric(failuresDesc, prometheus.CounterValue, float64(n), string(class))
	}
	for _, s := range status.Sources {
		gauge(sourceDesc, truth(s.Error == ""), s.Source)
		gauge(knownDesc, float64(s.Hosts), s.Source)
		gauge(faultsDesc, float64(s.FaultCount), s.Source)
		if !s.Loaded.IsZero() {
			gauge(loadedDesc, float64(s.Loaded.UnixMilli())/1000, s.Source)
		}
	}
	gauge(configDesc, truth(status.Configuration.Error == ""))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
