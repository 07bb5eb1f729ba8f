package server

// Observed counts what became of requests that an observer was to be told of.
func (m *Metrics) Observed(observer, result string, n int) {
	m.observed.WithLabelValues(observer, result).Add(float64(n))
}
