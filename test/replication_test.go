package test

import (
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
)

func TestPouchDBReplicatesBothWays(t *testing.T) {
	t.Parallel()
	withProviders(t, func(t *testing.T, s site) {
		t.Helper()
		s.run(t, "replicate", map[string]string{"ADAPTER": "memory"})
	})
	t.Run("leveldb", func(t *testing.T) {
		t.Parallel()

		server := harness.New(t, harness.Options{})
		site{Server: server, issuer: server.Issuer}.run(t, "replicate", map[string]string{"ADAPTER": "leveldb"})
	})
}

func TestPouchDBSyncsLiveBetweenTwoClients(t *testing.T) {
	t.Parallel()
	withAdapters(t, func(t *testing.T, adapter string) {
		t.Helper()

		server := harness.New(t, harness.Options{})
		site{Server: server, issuer: server.Issuer}.run(t, "live", map[string]string{"ADAPTER": adapter})
	})
}

func TestPouchDBAttachmentsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	withAdapters(t, func(t *testing.T, adapter string) {
		t.Helper()

		server := harness.New(t, harness.Options{})
		site{Server: server, issuer: server.Issuer}.run(t, "attachments", map[string]string{"ADAPTER": adapter})
	})
}
