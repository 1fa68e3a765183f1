package caddysync

import (
	"context"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// recordingSpan keeps what is added to it.
type recordingSpan struct {
	noop.Span
	attributes map[attribute.Key]string
}

func (*recordingSpan) IsRecording() bool { return true }

func (s *recordingSpan) SetAttributes(all ...attribute.KeyValue) {
	for _, a := range all {
		s.attributes[a.Key] = a.Value.String()
	}
}

func TestTracesAndAccessLogsSayWhoAskedForWhat(t *testing.T) {
	t.Parallel()
	span := &recordingSpan{attributes: map[attribute.Key]string{}}
	extra := new(caddyhttp.ExtraLogFields)
	ctx := context.WithValue(oteltrace.ContextWithSpan(t.Context(), span), caddyhttp.ExtraLogFieldsCtxKey, extra)
	seen := &rest.Seen{Endpoint: rest.EndpointChanges, Database: "notes", Collection: "items", User: "alice", Method: "bearer", Live: true}
	trace(ctx, seen)
	logSeen(ctx, seen)
	require.Equal(t, map[attribute.Key]string{
		"sync.endpoint": "changes", "db.namespace": "notes", "db.collection.name": "items", "enduser.id": "alice", "sync.sign_in": "bearer", "sync.live": "true",
	}, span.attributes)
	trace(t.Context(), seen) // without a span
	logSeen(t.Context(), seen)

	span.attributes = map[attribute.Key]string{}
	trace(ctx, new(rest.Seen))
	require.Empty(t, span.attributes, "a request that is not ours")
}

func TestRequestsAreMeasuredByWhatTheyAskFor(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory measured", "", "")))
	s.put("one")
	feed := s.longpoll("1")
	s.put("two")
	s.ends(feed, 10*time.Second)
	s.request("GET", "/notes/none", "")
	s.request("GET", "/not-ours.css", "")
	require.NoError(t, s.load(s.config("store memory measured", "stream_close_delay 1s", "")), "a reload sets nothing back")
	require.Eventually(t, func() bool { // an answer arrives before it is counted
		all, err := handles()[0].metrics.values()
		require.NoError(t, err)
		counts := map[string]any{}
		for _, one := range all["caddy_sync_request_seconds"].([]labelledValue) { //nolint:forcetypeassert // it is one
			counts[one.Labels["endpoint"]] = one.Value.(map[string]any)["count"]
		}
		return counts["document"] == uint64(5) && counts["changes"] == uint64(0) && counts["server"] == uint64(0)
	}, 5*time.Second, 10*time.Millisecond)
	all, err := handles()[0].metrics.values()
	require.NoError(t, err)
	require.Equal(t, []labelledValue{{map[string]string{"status": "404"}, 1.0}}, all["caddy_sync_request_failures_total"])
}

func TestSignInsThatFailAreCountedAmongTheRequestsThatDo(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory refused", "", "")))
	for _, asked := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/notes/_session", "", 401}, {"POST", "/_session", `{"name":`, 400}, {"GET", "/_session", "", 200},
		{"DELETE", "/_session/none", "", 401}, {"GET", "/notes/_oidc", "", 400},
	} {
		status, text := s.request(asked.method, asked.path, asked.body)
		require.Equal(t, asked.status, status, asked.path+text)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { // an answer arrives before it is counted
		all, err := handles()[0].metrics.values()
		require.NoError(c, err)
		require.Equal(c, []labelledValue{{map[string]string{"status": "400"}, 2.0}, {map[string]string{"status": "401"}, 2.0}}, all["caddy_sync_request_failures_total"])
	}, 5*time.Second, 10*time.Millisecond)
}

func TestAuditEventsAreCountedWhateverIsLogged(t *testing.T) {
	t.Parallel()
	a := &App{logger: zap.New(zapcore.NewNopCore()), handle: newStoreHandle("audit")}
	a.auditLogger().Info("sign_in", zap.String("event", "sign_in"))
	registry := prometheus.NewRegistry()
	require.NoError(t, a.handle.metrics.register(registry))
	all, err := a.handle.metrics.values()
	require.NoError(t, err)
	require.Equal(t, []labelledValue{{map[string]string{"event": "sign_in"}, 1.0}}, all["caddy_sync_audit_events_total"])
}
