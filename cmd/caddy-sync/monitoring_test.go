package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const monitoring = examples + "/monitoring"

// monitored is the example in examples/monitoring as it runs, on ports of its own.
type monitored struct {
	t              *testing.T
	folder         string
	admin, metrics string // addresses
}

func newMonitored(t *testing.T) *monitored {
	t.Helper()
	ports := freePorts(t, 4)
	m := &monitored{t: t, folder: t.TempDir(), admin: "127.0.0.1:" + ports[1], metrics: "127.0.0.1:" + ports[2]}
	text, err := os.ReadFile(monitoring + "/Caddyfile")
	require.NoError(t, err)
	for address, own := range map[string]string{
		"localhost:8080": "localhost:" + ports[0], "127.0.0.1:4985": m.admin, "127.0.0.1:9180": m.metrics, "localhost:2020": "localhost:" + ports[3],
		"store badger ./data": "store badger ./data {\nmemory 64MiB\nmin_free 1MiB\n}",
		"access shared":       "access shared\ncollection judged {\nsync_function judged.sync.js\n}",
	} {
		require.Contains(t, string(text), address)
		text = bytes.ReplaceAll(text, []byte(address), []byte(own))
	}
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, "judged.sync.js"), []byte("function (doc) { channel(doc.list.name) }"), 0o600))
	config := filepath.Join(m.folder, "Caddyfile")
	require.NoError(t, os.WriteFile(config, text, 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(m.folder, "keys"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, "keys", "jwks.json"),
		[]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"example","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	m.start(self, "run", "--config", config)
	require.Eventually(t, func() bool {
		status, _ := m.get(m.admin, "/_up")
		return status == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
	return m
}

// start runs a program until the test ends.
func (m *monitored) start(program string, args ...string) {
	m.t.Helper()
	command := exec.CommandContext(m.t.Context(), program, args...)
	command.Dir = m.folder
	command.Env = append(os.Environ(), asBinary+"=1", "XDG_DATA_HOME="+m.folder, "XDG_CONFIG_HOME="+m.folder)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	require.NoError(m.t, command.Start())
	m.t.Cleanup(func() { _ = command.Wait() }) // it was interrupted
}

func (m *monitored) do(method, address, path, body string) (int, string) {
	r, err := http.NewRequestWithContext(context.WithoutCancel(m.t.Context()), method, "http://"+address+path, strings.NewReader(body))
	require.NoError(m.t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(m.t, err)
	return answer.StatusCode, string(text)
}

func (m *monitored) get(address, path string) (int, string) {
	return m.do(http.MethodGet, address, path, "")
}

var metricName = regexp.MustCompile(`\b(?:caddy|process|go)_[a-z_]+`)

// TestMonitoringNamesWhatTheServerExports holds every metric in the dashboard and the alerts
// against what the example's server really exports.
func TestMonitoringNamesWhatTheServerExports(t *testing.T) {
	t.Parallel()
	m := newMonitored(t)
	status, text := m.do(http.MethodPut, m.admin, "/notes/one", `{}`)
	require.Equal(t, http.StatusCreated, status, text)
	status, _ = m.get(m.admin, "/notes/none")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = m.get(m.admin, "/notes/_raw/one")
	require.Equal(t, http.StatusOK, status)
	var exported string
	// A function that fails on what is pushed is no failed request.
	status, text = m.do(http.MethodPost, m.admin, "/notes.judged/_bulk_docs", `{"docs":[{"_id":"a"}]}`)
	require.Equal(t, http.StatusCreated, status, text)
	for _, line := range []string{
		`caddy_sync_function_exceptions_total{collection="judged",database="notes"} 1`, `caddy_sync_lite_errors_total{code="503"} 0`,
		`caddy_sync_request_failures_total{status="404"} 1`, `caddy_sync_request_seconds_count{endpoint="document"} 2`,
		`caddy_sync_audit_events_total{event="document_metadata_read"} 1`, `caddy_sync_limit_refusals_total{limit="user_feeds"} 0`,
	} {
		require.Eventually(t, func() bool { // an answer arrives before it is counted
			status, exported = m.get(m.metrics, "/metrics")
			return status == http.StatusOK && strings.Contains(exported, "\n"+line+"\n")
		}, 5*time.Second, 20*time.Millisecond, line)
	}
	known := map[string]bool{}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(exported, -1) {
		known[name[1]] = true
		if name[2] == "histogram" {
			known[name[1]+"_bucket"], known[name[1]+"_count"], known[name[1]+"_sum"] = true, true, true
		}
	}

	dashboard, err := os.ReadFile(monitoring + "/dashboard.json")
	require.NoError(t, err)
	require.True(t, json.Valid(dashboard))
	alerts, err := os.ReadFile(monitoring + "/alerts.yml")
	require.NoError(t, err)
	documentation, err := os.ReadFile("../../docs/monitoring.md")
	require.NoError(t, err)
	for file, text := range map[string][]byte{"dashboard.json": dashboard, "alerts.yml": alerts} {
		names := metricName.FindAllString(string(text), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.True(t, known[name], "%s has %s, which the server does not export", file, name)
		}
	}
	for name := range known {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
		if strings.HasPrefix(name, "caddy_sync_") && known[base] {
			require.Contains(t, string(documentation), "`"+base+"`", "docs/monitoring.md")
		}
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(alerts), -1) {
		require.Contains(t, string(documentation), "`"+alert[1]+"`", "docs/monitoring.md")
	}
}

// TestPrometheusScrapesTheExample lets a real Prometheus read the example's configuration, its alerts and its
// server.
func TestPrometheusScrapesTheExample(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	prometheus, missing := exec.LookPath("prometheus")
	if err != nil || missing != nil {
		t.Skip("NOT TESTED: prometheus and promtool are not in PATH (Debian: apt-get install prometheus)")
	}
	m := newMonitored(t)
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join(monitoring, name))
		require.NoError(t, err)
		text = bytes.ReplaceAll(text, []byte("127.0.0.1:9180"), []byte(m.metrics))
		text = bytes.ReplaceAll(text, []byte("scrape_interval: 15s"), []byte("scrape_interval: 1s"))
		require.NoError(t, os.WriteFile(filepath.Join(m.folder, name), text, 0o600))
	}
	config := filepath.Join(m.folder, "prometheus.yml")
	output, err := exec.CommandContext(t.Context(), promtool, "check", "config", config).CombinedOutput()
	require.NoError(t, err, "%s", output)
	_, exported := m.get(m.metrics, "/metrics")
	lint := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	lint.Stdin = strings.NewReader(exported)
	output, _ = lint.CombinedOutput() // Caddy's own metrics have findings
	require.NotContains(t, string(output), "caddy_sync_", "%s", output)

	address := "127.0.0.1:" + freePorts(t, 1)[0]
	m.start(prometheus, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(m.folder, "tsdb"), "--web.listen-address="+address)
	require.Eventually(t, func() bool {
		_, text := m.get(address, `/api/v1/query?query=caddy_sync_live_feeds%7Bkind%3D%22blip%22%7D`)
		return strings.Contains(text, `"kind":"blip"`)
	}, 30*time.Second, 200*time.Millisecond)
	_, text := m.get(address, "/api/v1/rules")
	for _, alert := range []string{"SyncDown", "SyncDiskAlmostFull"} {
		require.Contains(t, text, fmt.Sprintf(`"name":%q`, alert))
	}
	require.NotContains(t, text, `"health":"err"`)
}

// TestAlertsOfWhatIsNoFailedRequest: a store that fails Couchbase Lite alone, and a function that fails, are told too.
func TestAlertsOfWhatIsNoFailedRequest(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NOT TESTED: promtool is not in PATH (Debian: apt-get install prometheus)")
	}
	alerts, err := filepath.Abs(monitoring + "/alerts.yml")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "alerts.test.yml")
	require.NoError(t, os.WriteFile(file, []byte(`
rule_files: ["`+alerts+`"]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'caddy_sync_lite_errors_total{code="500"}', values: '0x30'}
      - {series: 'caddy_sync_lite_errors_total{code="503"}', values: '0+60x30'}
    alert_rule_test:
      - eval_time: 20m
        alertname: SyncFails
        exp_alerts: [{exp_labels: {severity: page}, exp_annotations: {summary: Requests fail by the server.}}]
  - interval: 1m
    input_series:
      - {series: 'caddy_sync_request_failures_total{status="500"}', values: '0+60x30'}
    alert_rule_test:
      - eval_time: 20m
        alertname: SyncFails
        exp_alerts: [{exp_labels: {severity: page}, exp_annotations: {summary: Requests fail by the server.}}]
  - interval: 1m
    input_series:
      - {series: 'caddy_sync_function_exceptions_total{database="notes",collection="_default"}', values: '0x5 1x20'}
      - {series: 'caddy_sync_function_timeouts_total{database="notes",collection="_default"}', values: '0x25'}
    alert_rule_test:
      - {eval_time: 4m, alertname: SyncFunctionFails}
      - eval_time: 8m
        alertname: SyncFunctionFails
        exp_alerts: [{exp_labels: {severity: warn, database: notes, collection: _default}, exp_annotations: {summary: 'A sync function fails, and what it fails on stays on the devices.'}}]
`), 0o600))
	output, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s", output)
}
