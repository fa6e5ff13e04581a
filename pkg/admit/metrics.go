package admit

import "github.com/prometheus/client_golang/prometheus"

// collector tells of gates: what is under way, what waits, what was refused.
type collector struct {
	at                       string
	gates                    Gates
	under, waiting, refusals *prometheus.Desc
}

// Collector is the gates' metrics; at says where they stand: "gateway", "door".
func (g Gates) Collector(at string) prometheus.Collector {
	describe := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"class"}, more...), prometheus.Labels{"at": at})
	}
	return &collector{at, g,
		describe("linli_admitted_under_way", "Calls that were let in and are under way."),
		describe("linli_admission_waiting", "Calls that wait to be let in."),
		describe("linli_refused_total", "Calls that were refused because too much was under way (queue) or stood before the gate (delay).", "why")}
}

// Describe is of prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect is of prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for class, gate := range c.gates {
		n := gate.Counts()
		out <- prometheus.MustNewConstMetric(c.under, prometheus.GaugeValue, float64(n.Under), string(class))
		out <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(n.Waiting), string(class))
		out <- prometheus.MustNewConstMetric(c.refusals, prometheus.CounterValue, float64(n.Refused), string(class), "queue")
		out <- prometheus.MustNewConstMetric(c.refusals, prometheus.CounterValue, float64(n.Late), string(class), "delay")
	}
}
