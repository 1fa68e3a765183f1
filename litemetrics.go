package caddysync

import (
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/replication/lite"
	"github.com/prometheus/client_golang/prometheus"
)

// liteMetric is a metric of Couchbase Lite's replications.
type liteMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*lite.Counters) float64
}

func liteMetrics() []liteMetric {
	desc := func(name, help string, labels prometheus.Labels) *prometheus.Desc {
		return prometheus.NewDesc("caddy_sync_lite_"+name, help, nil, labels)
	}
	in, out := prometheus.Labels{"direction": "in"}, prometheus.Labels{"direction": "out"}
	const messages, bytes, documents = "Messages of Couchbase Lite's replications.",
		"Bytes of frames of Couchbase Lite's replications.",
		"Revisions that Couchbase Lite's replications wrote (in) and were sent (out)."
	return []liteMetric{
		{
			desc("replications", "Couchbase Lite's replications in progress.", nil), prometheus.GaugeValue,
			func(c *lite.Counters) float64 { return float64(c.Active.Load()) },
		},
		{desc("messages_total", messages, in), prometheus.CounterValue, func(c *lite.Counters) float64 { return float64(c.MessagesIn.Load()) }},
		{desc("messages_total", messages, out), prometheus.CounterValue, func(c *lite.Counters) float64 { return float64(c.MessagesOut.Load()) }},
		{desc("bytes_total", bytes, in), prometheus.CounterValue, func(c *lite.Counters) float64 { return float64(c.BytesIn.Load()) }},
		{desc("bytes_total", bytes, out), prometheus.CounterValue, func(c *lite.Counters) float64 { return float64(c.BytesOut.Load()) }},
		{desc("documents_total", documents, in), prometheus.CounterValue, func(c *lite.Counters) float64 { return float64(c.DocumentsPushed.Load()) }},
		{desc("documents_total", documents, out), prometheus.CounterValue, func(c *lite.Counters) float64 { return float64(c.DocumentsPulled.Load()) }},
		{
			desc("caught_up_total", "How often a feed had sent Couchbase Lite everything for the first time.", nil), prometheus.CounterValue,
			func(c *lite.Counters) float64 { return float64(c.CaughtUp.Load()) },
		},
		{
			desc("unfit_documents_total", "Documents left out of a feed because Couchbase Lite cannot hold them.", nil), prometheus.CounterValue,
			func(c *lite.Counters) float64 { return float64(c.Unfit.Load()) },
		},
	}
}

func liteErrors() *prometheus.Desc {
	return prometheus.NewDesc("caddy_sync_lite_errors_total", "Messages of Couchbase Lite that were answered with an error.", []string{"code"}, nil)
}

func describeLite(to chan<- *prometheus.Desc) {
	for _, m := range liteMetrics() {
		to <- m.desc
	}
	to <- liteErrors()
}

// collectLite gives the metrics out. The codes are the server's own, so they are few.
func collectLite(c *lite.Counters, to chan<- prometheus.Metric) {
	for _, m := range liteMetrics() {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(c))
	}
	refusals := c.Refusals()
	for _, code := range [...]int{http.StatusInternalServerError, http.StatusServiceUnavailable} {
		refusals[code] += 0 // there before the first, or a rate would not see it
	}
	for code, n := range refusals {
		to <- prometheus.MustNewConstMetric(liteErrors(), prometheus.CounterValue, float64(n), strconv.Itoa(code))
	}
}
