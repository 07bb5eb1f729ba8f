package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/decision"
)

// decisionSnapshot turns what is counted of decision records into metrics when
// it is scraped.
type decisionSnapshot struct {
	desk *decision.Desk
	file *decision.File
}

var decisionRecords = prometheus.NewDesc("smartrouter_decision_records_total",
	"Decision records, by what became of them: written, dropped as there was no room in a queue, or failed as the disk did not take them.",
	[]string{"result"}, nil)

// Describe is part of prometheus.Collector.
func (*decisionSnapshot) Describe(ch chan<- *prometheus.Desc) { ch <- decisionRecords }

// Collect is part of prometheus.Collector.
func (s *decisionSnapshot) Collect(ch chan<- prometheus.Metric) {
	written, dropped, failed := s.file.Counts()
	for result, n := range map[string]uint64{"written": written, "dropped": dropped + s.desk.Dropped(), "failed": failed} {
		ch <- prometheus.MustNewConstMetric(decisionRecords, prometheus.CounterValue, float64(n), result)
	}
}
