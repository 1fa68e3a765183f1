package auth

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// http:// is for this machine only.
func TestWhereKeysMayBeFetched(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://idp.example.com":       true,
		"http://localhost:8080/idp":     true,
		"http://LOCALHOST":              true,
		"http://idp.localhost":          true,
		"http://127.0.0.1:5556":         true,
		"http://[::1]/x":                true,
		"http://idp.example.com":        false,
		"http://127.0.0.1.example.com":  false,
		"http://localhost.example.com":  false,
		"http://10.0.0.1":               false,
		"http://0.0.0.0":                false,
		"http://2130706433":             false,
		"https:idp.example.com":         false,
		"//idp.example.com":             false,
		"https://a@idp.example.com":     false,
		"https://idp.example.com/#frag": false,
		"file:///etc/passwd":            false,
		"":                              false,
		"https://%zz":                   false,
	} {
		require.Equal(t, good, checkEndpoint(address) == nil, address)
	}
}

// sync-gateway F row 40: a provider with a certificate of its own is refused unless its
// authority is named, or checking is off.
func TestProviderWithItsOwnAuthority(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	server := httptest.NewUnstartedServer(i)
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	i.url = server.URL
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	for _, c := range []struct {
		name string
		bend func(*Provider)
		good bool
	}{
		{"system's authorities", func(*Provider) {}, false},
		{"ca_file", func(p *Provider) { p.CAFile = file }, true},
		{"insecure_skip_verify", func(p *Provider) { p.InsecureSkipVerify = true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *Config) {
				p := &cfg.Providers[0]
				p.Issuer, p.HTTPClient = i.url, nil
				c.bend(p)
			})
			if c.good {
				w.in(bearer(i.token("alice")))
				return
			}
			e := w.out(bearer(i.token("alice")))
			require.Equal(t, 503, e.Status)
			require.Contains(t, e.Detail, "certificate")
		})
	}
	client, err := newFetchClient(Provider{})
	require.NoError(t, err)
	transport, ok := client.Transport.(*http.Transport)
	require.True(t, ok)
	require.GreaterOrEqual(t, transport.TLSClientConfig.MinVersion, uint16(tls.VersionTLS12))
}
