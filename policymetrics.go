package caddysync

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/prometheus/client_golang/prometheus"
)

// policyMetrics tell what judging writes costs and how it ends, by collection. Databases
// are named as in the configuration: all that administrators make are "*", so that the
// labels have a bound.
type policyMetrics struct {
	seconds                         *prometheus.HistogramVec
	rejections, exceptions, timeout *prometheus.CounterVec
}

func newPolicyMetrics() *policyMetrics {
	labels := []string{"database", "collection"}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "caddy_sync_" + name, Help: help}, labels)
	}
	return &policyMetrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "caddy_sync_function_seconds", Help: "Time that sync functions took for a write, conversion included.",
			Buckets: []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 0.25, 1},
		}, labels),
		rejections: counter("policy_rejections_total", "Document writes that an access policy or a sync function refused, by collection."),
		exceptions: counter("function_exceptions_total", "Document writes refused because a sync function failed."),
		timeout:    counter("function_timeouts_total", "Document writes refused because a sync function took too long."),
	}
}

func (m *policyMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.seconds, m.rejections, m.exceptions, m.timeout}
}

// measured is a policy's evaluator that is counted.
func (m *policyMetrics) measured(p *collectionPolicy, j *judge) syncstore.Evaluator {
	e := &measuredEvaluator{
		Evaluator:  j.evaluator,
		rejections: m.rejections.WithLabelValues(p.database, p.key.String()),
	}
	if j.source != "" {
		e.seconds = m.seconds.WithLabelValues(p.database, p.key.String())
		e.exceptions = m.exceptions.WithLabelValues(p.database, p.key.String())
		e.timeouts = m.timeout.WithLabelValues(p.database, p.key.String())
	}
	return e
}

// measuredEvaluator counts what an evaluator does.
type measuredEvaluator struct {
	syncstore.Evaluator
	seconds                          prometheus.Observer // nil unless it is a function
	rejections, exceptions, timeouts prometheus.Counter
}

// Evaluate implements syncstore.Evaluator.
func (e *measuredEvaluator) Evaluate(ctx context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	began := time.Now()
	outcome, err := e.Evaluator.Evaluate(ctx, write)
	if e.seconds != nil {
		e.seconds.Observe(time.Since(began).Seconds())
	}
	var rejection *access.RejectionError
	switch {
	case err == nil || !errors.As(err, &rejection):
	case rejection.Status != http.StatusInternalServerError:
		e.rejections.Inc()
	case rejection.TimedOut():
		e.timeouts.Inc()
	default:
		e.exceptions.Inc()
	}
	return outcome, err
}
