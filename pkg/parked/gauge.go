package parked

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// countPatience bounds what one look at the stores may take.
const countPatience = 5 * time.Second

// Gauge is linli_events_parked{service, consumer}: counted from the rows
// whenever it is asked for, so it is right after a restart. Each consumer has
// a line, with 0 when all is well; one that is gone has one while it has rows.
type Gauge struct {
	parts []Part
	desc  *prometheus.Desc
}

// NewGauge makes the gauge of a service's parts.
func NewGauge(parts []Part) *Gauge {
	return &Gauge{parts: parts, desc: prometheus.NewDesc("linli_events_parked",
		"Events that a consumer could not apply and that wait for somebody to decide.", []string{"service", "consumer"}, nil)}
}

// Describe tells the one metric.
func (g *Gauge) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect counts.
func (g *Gauge) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countPatience)
	defer cancel()
	for _, p := range g.parts {
		counts := map[string]int{}
		err := p.Store.View(ctx, func(r kv.Reader) (err error) {
			counts, err = store.CountParked(r)
			return err
		})
		if err != nil {
			out <- prometheus.NewInvalidMetric(g.desc, err)
			continue
		}
		for _, c := range p.Consumers {
			counts[c.Name] += 0
		}
		for consumer, n := range counts {
			out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n), p.Store.Service(), consumer)
		}
	}
}
