package server

import "github.com/prometheus/client_golang/prometheus"

// usageVectors make what is counted of tries, tokens and costs.
func (m *Metrics) usageVectors() {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "smartrouter_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.tries = counter("tries_total",
		"Tries at a target that say something of it, by whether they were the request's first, and how they went.",
		"channel", "model", "try", "result")
	recoveries := counter("recoveries_total", "Requests whose first try failed, by whether a later one made up for it.", "result")
	m.recovered, m.unrecovered = recoveries.WithLabelValues("ok"), recoveries.WithLabelValues("failed")
	m.answersCached = counter("cached_answers_total", "Requests that came to a cache step, by what became of them: hit, miss, bypass, or shared with an equal one.", "result")
	m.tokens = counter("tokens_total", "Tokens that upstreams counted.", "channel", "model", "type")
	m.tokenParts = counter("token_parts_total",
		"Tokens that are part of others: cached is of the input, reasoning of the output.", "channel", "model", "type")
	m.cost = counter("cost_dollars_total", "What the tokens cost by the channel's price blocks, else by the provider's list, in US dollars.", "channel", "model")
	m.unpriced = counter("unpriced_requests_total", "Requests whose tokens are known, and the price of their model is not.", "channel", "model")
	m.noUsage = counter("requests_without_usage_total",
		"Answers that do not say how many tokens they took, which are in no figure of tokens and cost.", "endpoint", "channel", "model")
	m.estimated = counter("requests_with_estimated_usage_total",
		"Rescued streams: what the broken ones did not say of their tokens is estimated.", "endpoint", "channel", "model")
	m.speed = prometheus.NewHistogramVec(histogram(
		"smartrouter_output_tokens_per_second", "Output tokens of streams by the time from the first content to the end.", tokensPerSecond,
	), []string{"channel", "model"})
	m.registry.MustRegister(m.speed)
}
