package caddysync

import (
	"context"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// requestMetrics tell how long requests take, by what they ask for, and how many are refused.
// What stays open is not among them: its time is the client's choice.
type requestMetrics struct {
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	// byEndpoint are the histograms of seconds.
	byEndpoint map[rest.Endpoint]prometheus.Observer
}

func newRequestMetrics() *requestMetrics {
	m := &requestMetrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "caddy_sync_request_seconds", Help: "Time that requests took, live feeds and replications apart, by what was asked for.",
			Buckets: []float64{0.5e-3, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 10},
		}, []string{"endpoint"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_sync_request_failures_total", Help: "Requests that were answered with an error, by its status.",
		}, []string{"status"}),
		byEndpoint: make(map[rest.Endpoint]prometheus.Observer, len(rest.Endpoints)),
	}
	for _, endpoint := range rest.Endpoints {
		m.byEndpoint[endpoint] = m.seconds.WithLabelValues(string(endpoint))
	}
	return m
}

func (m *requestMetrics) observe(seen *rest.Seen, took time.Duration) {
	if seen.Failure != 0 {
		m.failures.WithLabelValues(strconv.Itoa(seen.Failure)).Inc() // the server's own few
	}
	if observer := m.byEndpoint[seen.Endpoint]; observer != nil && !seen.Live {
		observer.Observe(took.Seconds())
	}
}

// trace adds to Caddy's span of the request, if it is traced, what only this module knows.
func trace(ctx context.Context, seen *rest.Seen) {
	span := oteltrace.SpanFromContext(ctx)
	if seen.Endpoint == "" || !span.IsRecording() {
		return
	}
	attributes := []attribute.KeyValue{attribute.String("sync.endpoint", string(seen.Endpoint))}
	for _, one := range [][2]string{
		{"db.namespace", seen.Database}, {"db.collection.name", seen.Collection}, {"enduser.id", seen.User}, {"sync.sign_in", seen.Method},
	} {
		if one[1] != "" {
			attributes = append(attributes, attribute.String(one[0], one[1]))
		}
	}
	if seen.Live {
		attributes = append(attributes, attribute.Bool("sync.live", true))
	}
	span.SetAttributes(attributes...)
}

// maxLoggedName is how much of a name goes into the access log, in bytes.
const maxLoggedName = 256

// logSeen adds to Caddy's access log who asked, and for what. Handlers that answer in the
// end write the log, so that it is not too late.
func logSeen(ctx context.Context, seen *rest.Seen) {
	extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok || seen.Endpoint == "" {
		return
	}
	extra.Add(zap.String("sync_endpoint", string(seen.Endpoint)))
	if seen.User != "" {
		extra.Add(zap.String("sync_user", seen.User[:min(len(seen.User), maxLoggedName)]))
	}
	if seen.Method != "" {
		extra.Add(zap.String("sync_sign_in", seen.Method))
	}
}
