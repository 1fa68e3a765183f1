package caddysync

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	values := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if len(metric.GetLabel()) > 0 {
				continue // see labelledMetrics
			}
			values[family.GetName()] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return values
}

func TestMetricsAreRegisteredAgainForEachConfiguration(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("metrics")
	h.metrics.authFailures.Add(3)
	h.metrics.rejections.Add(2)
	for range 2 {
		registry := prometheus.NewRegistry()
		require.NoError(t, h.metrics.register(registry))
		require.NoError(t, h.metrics.register(registry), "twice is no error")
		require.Equal(t, map[string]float64{
			"caddy_sync_auth_failures_total": 3, "caddy_sync_feeds": 0, "caddy_sync_requests": 0, "caddy_sync_document_rejections_total": 2,
			"caddy_sync_lite_replications": 0, "caddy_sync_lite_caught_up_total": 0, "caddy_sync_lite_unfit_documents_total": 0,
			"caddy_sync_replication_failures_total": 0,
		}, gathered(t, registry), "a store that is not open has no counters of documents")
	}
}

func TestMetricsOfAnOpenStore(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory metrics", "", "")))
	s.put("one")
	status, _ := s.request(http.MethodPut, "/notes/one", `{"n":2}`) // no revision
	require.Equal(t, http.StatusConflict, status)
	feed := s.longpoll("1")

	registry := prometheus.NewRegistry()
	require.NoError(t, handles()[0].metrics.register(registry))
	got := gathered(t, registry)
	require.InDelta(t, 1, got["caddy_sync_document_writes_total"], 0)
	require.InDelta(t, 1, got["caddy_sync_document_conflicts_total"], 0)
	require.InDelta(t, 1, got["caddy_sync_feeds"], 0)
	require.Positive(t, got["caddy_sync_commits_total"])

	s.put("two")
	s.ends(feed, 10*time.Second)
}

func TestMetricsOfCouchbaseLite(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("litemetrics")
	h.metrics.lite.Active.Add(2)
	h.metrics.lite.MessagesIn.Add(3)
	h.metrics.lite.BytesOut.Add(5)
	registry := prometheus.NewRegistry()
	require.NoError(t, h.metrics.register(registry))
	require.InDelta(t, 2, gathered(t, registry)["caddy_sync_lite_replications"], 0)
	families, err := registry.Gather()
	require.NoError(t, err)
	directed := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "direction" {
					directed[family.GetName()+" "+label.GetValue()] = metric.GetCounter().GetValue()
				}
			}
		}
	}
	require.InDelta(t, 3, directed["caddy_sync_lite_messages_total in"], 0)
	require.InDelta(t, 0, directed["caddy_sync_lite_messages_total out"], 0)
	require.InDelta(t, 5, directed["caddy_sync_lite_bytes_total out"], 0)
}
