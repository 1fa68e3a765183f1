package caddysync

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/replication/lite"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a store's. They live with the store and are registered again for each
// configuration, because each has a registry of its own. They have no labels of users or
// documents, nor of databases that are made at run time: those have no bound.
type metrics struct {
	handle *storeHandle

	feeds        atomic.Int64
	authFailures atomic.Uint64
	rejections   atomic.Uint64
	policies     *policyMetrics
	lite         lite.Counters
	requestsSeen *requestMetrics
	audit        *auditMetrics

	descs metricDescs
}

type metricDescs struct {
	commits, writes, conflicts, retries       *prometheus.Desc
	feeds, requests, authFailures, disk, free *prometheus.Desc
	rejections                                *prometheus.Desc
	resyncs, resynced, moved, refused         *prometheus.Desc
	limits, live, offline, compactions        *prometheus.Desc
	retained, retaining                       *prometheus.Desc
	replications, replicated, unreplicated    *prometheus.Desc
}

func newMetrics(h *storeHandle) *metrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("caddy_sync_"+name, help, nil, nil)
	}
	labelled := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc("caddy_sync_"+name, help, []string{label}, nil)
	}
	return &metrics{handle: h, policies: newPolicyMetrics(), requestsSeen: newRequestMetrics(), audit: newAuditMetrics(), descs: metricDescs{
		commits:      desc("commits_total", "Transactions committed, each with one sync to disk."),
		writes:       desc("document_writes_total", "Documents written."),
		conflicts:    desc("document_conflicts_total", "Document writes refused because of a conflict."),
		retries:      desc("document_retries_total", "Document writes prepared again because the document changed meanwhile."),
		feeds:        desc("feeds", "Requests for changes in progress, live feeds among them."),
		requests:     desc("requests", "Requests in progress that use the store."),
		authFailures: desc("auth_failures_total", "Requests whose credentials were refused."),
		rejections:   desc("document_rejections_total", "Document writes refused by a sync function or an access policy."),
		disk:         desc("store_disk_bytes", "Space that the store's files take."),
		resyncs:      desc("resyncs", "Resyncs that are running."),
		resynced:     desc("resync_documents_total", "Documents that resyncs judged."),
		moved:        desc("resync_changed_total", "Documents that are in other channels, or grant something else, after a resync."),
		refused:      desc("resync_refused_total", "Documents that a policy refused in a resync."),
		limits:       labelled("limit_refusals_total", "Requests refused because of a limit.", "limit"),
		live:         labelled("live_feeds", "Live feeds and replications that are open, by kind.", "kind"),
		retained:     labelled("retention_removed_total", "What was removed because it was kept long enough.", "what"),
		retaining:    desc("retentions", "Databases in which such things are being removed."),
		offline:      desc("databases_offline", "Databases that are out of service."),
		compactions:  desc("compactions", "Compactions that are running."),
		replications: labelled("replications", "Replications with other servers, by what they do.", "state"),
		replicated:   labelled("replicated_revisions_total", "Revisions that replications with other servers stored here or there.", "direction"),
		unreplicated: desc("replication_failures_total", "Revisions that replications with other servers gave up."),
		free:         desc("store_free_bytes", "Space left for the store."),
	}}
}

// register adds the metrics to a configuration's registry.
func (m *metrics) register(registry prometheus.Registerer) error {
	if registry == nil {
		return nil
	}
	err := registry.Register(m)
	if already := (prometheus.AlreadyRegisteredError{}); err == nil || errors.As(err, &already) {
		return nil
	}
	return fmt.Errorf("registering metrics: %w", err)
}

// collectors are the metrics that keep their values themselves.
func (m *metrics) collectors() []prometheus.Collector {
	return append(m.policies.collectors(), m.requestsSeen.seconds, m.requestsSeen.failures, m.audit.events)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	d := &m.descs
	for _, desc := range []*prometheus.Desc{
		d.commits, d.writes, d.conflicts, d.retries, d.feeds, d.requests, d.authFailures, d.rejections, d.disk, d.free,
		d.resyncs, d.resynced, d.moved, d.refused, d.limits, d.live, d.offline, d.compactions, d.retained, d.retaining,
		d.replications, d.replicated, d.unreplicated,
	} {
		to <- desc
	}
	for _, collector := range m.collectors() {
		collector.Describe(to)
	}
	describeLite(to)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	s, open := m.handle.stats()
	counter := func(desc *prometheus.Desc, value uint64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value))
	}
	gauge := func(desc *prometheus.Desc, value int64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value))
	}
	gauge(m.descs.feeds, s.Feeds)
	gauge(m.descs.requests, int64(s.Requests))
	counter(m.descs.authFailures, s.AuthFailures)
	counter(m.descs.rejections, s.Rejections)
	for _, collector := range m.collectors() {
		collector.Collect(to)
	}
	collectLite(&m.lite, to)
	m.collectUsage(to)
	m.collectReplications(to)
	if !open {
		return
	}
	counter(m.descs.commits, s.Commits)
	counter(m.descs.writes, s.Writes)
	counter(m.descs.conflicts, s.Conflicts)
	counter(m.descs.retries, s.Retries)
	gauge(m.descs.resyncs, s.resync.Resyncs)
	counter(m.descs.resynced, s.resync.ResyncDocuments)
	counter(m.descs.moved, s.resync.ResyncChanged)
	counter(m.descs.refused, s.resync.ResyncRefused)
	gauge(m.descs.offline, s.offline)
	gauge(m.descs.compactions, s.compactions)
	gauge(m.descs.retaining, s.retaining)
	for what, n := range map[string]uint64{
		"tombstones": s.resync.TombstonesPurged, "local_documents": s.resync.LocalsDropped, "old_revisions": s.resync.BodiesDropped,
	} {
		to <- prometheus.MustNewConstMetric(m.descs.retained, prometheus.CounterValue, float64(n), what)
	}
	gauge(m.descs.disk, s.DiskBytes)
	if s.FreeBytes >= 0 {
		gauge(m.descs.free, s.FreeBytes)
	}
}

// collectUsage gives out what clients have open, and what was refused. The labels are the
// server's own, so they are few.
func (m *metrics) collectUsage(to chan<- prometheus.Metric) {
	usage := m.handle.usage
	for _, limit := range rest.Limited {
		to <- prometheus.MustNewConstMetric(m.descs.limits, prometheus.CounterValue, float64(usage.Refused(limit)), string(limit))
	}
	for _, kind := range rest.FeedKinds {
		to <- prometheus.MustNewConstMetric(m.descs.live, prometheus.GaugeValue, float64(usage.Open(kind)), kind.String())
	}
}

// collectReplications gives out how the replications with other servers do.
func (m *metrics) collectReplications(to chan<- prometheus.Metric) {
	work, states := m.handle.replications.Totals()
	for _, state := range peer.States {
		to <- prometheus.MustNewConstMetric(m.descs.replications, prometheus.GaugeValue, float64(states[state]), string(state))
	}
	for direction, n := range map[peer.Direction]uint64{peer.Pull: work.Pulled, peer.Push: work.Pushed} {
		to <- prometheus.MustNewConstMetric(m.descs.replicated, prometheus.CounterValue, float64(n), string(direction))
	}
	to <- prometheus.MustNewConstMetric(m.descs.unreplicated, prometheus.CounterValue, float64(work.Failures))
}

// storeStats are a store's counters, as the admin API shows them.
type storeStats struct {
	Store        string   `json:"store"`
	Databases    []string `json:"databases"`
	Commits      uint64   `json:"commits"`
	Writes       uint64   `json:"writes"`
	Conflicts    uint64   `json:"conflicts"`
	Retries      uint64   `json:"retries"`
	Requests     int      `json:"requests"`
	Feeds        int64    `json:"feeds"`
	AuthFailures uint64   `json:"auth_failures"`
	Rejections   uint64   `json:"rejections"`
	DiskBytes    int64    `json:"disk_bytes"`
	// FreeBytes is -1 if unknown.
	FreeBytes int64 `json:"free_bytes"`

	resync                          syncstore.Stats
	offline, compactions, retaining int64
}

// stats returns the counters, and false if the store is not open.
func (h *storeHandle) stats() (storeStats, bool) {
	s := storeStats{
		Store: h.key, Requests: h.requests.count(),
		Feeds: h.metrics.feeds.Load(), AuthFailures: h.metrics.authFailures.Load(), Rejections: h.metrics.rejections.Load(), FreeBytes: -1,
	}
	o := h.current()
	if o == nil {
		return s, false
	}
	documents, files := o.store.Stats(), o.engine.Stats()
	s.Databases = o.store.Databases()
	s.Commits, s.Writes = files.Commits, documents.Writes
	s.resync = documents
	for _, name := range s.Databases {
		db, err := o.store.Database(name)
		if err != nil {
			continue // deleted meanwhile
		}
		if db.Offline() {
			s.offline++
		}
		if db.Compacting() {
			s.compactions++
		}
		if db.Retaining() != nil {
			s.retaining++
		}
	}
	s.Conflicts, s.Retries = documents.Conflicts, documents.Retries
	s.DiskBytes, s.FreeBytes = files.DiskBytes, files.FreeBytes
	return s, true
}
