package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/batch"
)

// batchSnapshot turns the batches' own figures into metrics when it is scraped.
type batchSnapshot struct{ batches *batch.Batches }

var (
	batchesByStatus = prometheus.NewDesc("smartrouter_batches", "Batches that are kept, by status.", []string{"status"}, nil)
	batchLines      = prometheus.NewDesc("smartrouter_batch_lines_total",
		"Tries at lines of batches, by result: completed, failed, retried later, or busy where no place was free.", []string{"result"}, nil)
	batchInFlight  = prometheus.NewDesc("smartrouter_batch_lines_in_flight", "Lines of batches being worked on.", nil, nil)
	batchFileBytes = prometheus.NewDesc("smartrouter_batch_file_bytes", "What the callers' files hold together.", nil, nil)
	batchUnwritten = prometheus.NewDesc("smartrouter_batch_write_failures_total", "Writes of files and journals that failed.", nil, nil)
)

// Describe is part of prometheus.Collector.
func (*batchSnapshot) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{batchesByStatus, batchLines, batchInFlight, batchFileBytes, batchUnwritten} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c *batchSnapshot) Collect(ch chan<- prometheus.Metric) {
	s := c.batches.Stats()
	for _, status := range batch.Statuses {
		ch <- prometheus.MustNewConstMetric(batchesByStatus, prometheus.GaugeValue, float64(s.Batches[status]), string(status))
	}
	for _, v := range []struct {
		result string
		n      int64
	}{{"completed", s.Completed}, {"failed", s.Failed}, {"retried", s.Retried}, {"busy", s.Busy}} {
		ch <- prometheus.MustNewConstMetric(batchLines, prometheus.CounterValue, float64(v.n), v.result)
	}
	ch <- prometheus.MustNewConstMetric(batchInFlight, prometheus.GaugeValue, float64(s.InFlight))
	ch <- prometheus.MustNewConstMetric(batchFileBytes, prometheus.GaugeValue, float64(s.FileBytes))
	ch <- prometheus.MustNewConstMetric(batchUnwritten, prometheus.CounterValue, float64(s.Unwritten))
}
