package auth

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// metadataHandler answers everything with a document of metadata.
func metadataHandler(text string) func(*issuer) http.HandlerFunc {
	return func(i *issuer) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.ReplaceAll(text, "{iss}", i.url)))
		}
	}
}

// A discovery document that speaks for another issuer, or has another speak for this one.
// OpenID Connect Discovery section 4.3, RFC 8414 sections 3.3 and 6.2, RFC 9700 section
// 4.4 (mix-up), Mladenov, Mainka, Schwenk: "On the security of modern Single Sign-On
// Protocols: Second-Order Vulnerabilities in OpenID Connect" (2015).
func TestAttack_DiscoveryNamesAnotherIssuer(t *testing.T) {
	t.Parallel()
	for name, issuer := range map[string]string{
		"another": `"https://evil.example.com"`, "with a slash": `"{iss}/"`, "in capitals": `"HTTPS://IDP.EXAMPLE.COM"`, "a look-alike": `"https://іdp.example.com"`,
		"a list": `["{iss}"]`, "null": "null", "empty": `""`, "below it": `"{iss}/tenant"`, "with a port": `"{iss}:443"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuseMetadata(t, `{"issuer":`+issuer+`,"jwks_uri":"{iss}/keys"}`, "")
		})
	}
	refuseMetadata(t, `{"jwks_uri":"{iss}/keys"}`, "names the issuer")
}

// refuseMetadata shows a document to a server that knows no keys yet: tokens are answered
// 503, nothing but the provider is asked, and the provider's recovery is noticed.
func refuseMetadata(t *testing.T, document, says string) {
	t.Helper()
	w := newWorld(t)
	w.issuer.answer(metadataHandler(document)(w.issuer))
	e := w.out(bearer(w.issuer.token("alice")))
	require.Equal(t, http.StatusServiceUnavailable, e.Status, document)
	require.Contains(t, e.Detail, says)
	require.Zero(t, w.issuer.fetches.Load(), "no keys were fetched")
	require.Zero(t, w.issuer.strays.Load(), "nobody else was asked")
	w.issuer.up()
	w.in(bearer(w.issuer.token("alice")))
}

// A document that two readers read differently: RFC 8259 section 4, Bishop Fox, "An
// Exploration of JSON Interoperability Vulnerabilities" (2021).
func TestAttack_AmbiguousDiscovery(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		`{"issuer":"https://evil.example.com","issuer":"{iss}","jwks_uri":"{iss}/keys"}`,
		`{"issuer":"{iss}","jwks_uri":"{iss}/keys","jwks_uri":"https://evil.example.com/keys"}`,
		`{"issuer":"{iss}","jwks_uri":"{iss}/keys","\u006awks_uri":"https://evil.example.com/keys"}`,
		`{"issuer":"{iss}","jwks_uri":"{iss}/keys"}{"jwks_uri":"https://evil.example.com/keys"}`,
		`[{"issuer":"{iss}","jwks_uri":"{iss}/keys"}]`,
	} {
		refuseMetadata(t, document, "not a JSON object of metadata")
	}
	for _, more := range []string{`"JWKS_URI"`, `"Jwks_uri"`, `"jwk\u017f_uri"`, `"jw\u212as_uri"`} {
		m, err := parseMetadata([]byte(`{"issuer":"https://idp.example.com","jwks_uri":"https://idp.example.com/keys",` + more + `:"https://evil.example.com/keys"}`))
		require.NoError(t, err)
		require.Equal(t, "https://idp.example.com/keys", m.JWKSURI, more)
	}
}

// Keys at an address that only this machine or its link has: a provider must not make us
// read what is there (server-side request forgery, CWE-918, RFC 9700 section 4.10 by
// analogy, OpenID Connect Discovery section 7.1 asks for TLS). A company's private
// addresses are its own, and so is a provider on this machine.
func TestAttack_KeysAtALocalAddress(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://keys.example.com/":         true,
		"https://10.0.0.7/keys":             true,
		"https://[fd00::7]/keys":            true,
		"http://10.0.0.7/keys":              false,
		"http://keys.example.com/":          false,
		"http://169.254.169.254/latest":     false,
		"https://169.254.169.254/latest":    false,
		"https://[fe80::1]/keys":            false,
		"https://[fe80::1%25eth0]/keys":     false,
		"https://[fe80::1%25.]/keys":        false,
		"https://[::1%25.]/keys":            false,
		"https://[::ffff:169.254.169.254]/": false,
		"http://localhost/keys":             false,
		"https://localhost/keys":            false,
		"https://LOCALHOST./keys":           false,
		"https://idp.localhost/keys":        false,
		"https://127.0.0.1:8443/keys":       false,
		"https://127.9.9.9/keys":            false,
		"https://[::1]/keys":                false,
		"https://[::ffff:127.0.0.1]/":       false,
		"https://0.0.0.0/keys":              false,
		"https://[::]/keys":                 false,
		"https://224.0.0.1/keys":            false,
		"unix:///run/keys":                  false,
		"file:///etc/passwd":                false,
		"gopher://keys.example.com/":        false,
		"https:keys.example.com":            false,
		"https:///keys":                     false,
		"/keys":                             false,
		"https://a:b@keys.example.com/":     false,
		"javascript:alert(1)":               false,
		"":                                  false,
	} {
		m := metadata{Issuer: "https://idp.example.com", JWKSURI: address}
		require.Equal(t, good, m.check(m.Issuer, m.Issuer) == nil, address)
		local := metadata{Issuer: "http://localhost:8080/idp", JWKSURI: address}
		if good || strings.Contains(address, "://localhost/") || strings.HasPrefix(address, "https://127.") {
			require.NoError(t, local.check(local.Issuer, local.Issuer), address)
		}
	}
}

// A document or key set that sends us on. RFC 8414 section 6.2, RFC 9110 section 15.4:
// only within the host and scheme that was asked, a few times.
func TestAttack_RedirectingDiscovery(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	evil := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		writeJSON(w, map[string]any{"issuer": "http://" + r.Host, "jwks_uri": "http://" + r.Host + "/keys", "keys": []any{}})
	})
	plain, secure := httptest.NewServer(evil), httptest.NewTLSServer(evil)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	for name, to := range map[string]string{
		"another port": plain.URL, "another scheme": secure.URL, "another host": "http://localhost" + strings.TrimPrefix(plain.URL, "http://127.0.0.1"),
		"user info": strings.Replace(plain.URL, "//", "//idp.example.com@", 1), "a file": "file:///etc/passwd", "no scheme": "//" + strings.TrimPrefix(plain.URL, "http://"),
		"metadata of a cloud": "http://169.254.169.254/latest/meta-data/",
	} {
		for _, path := range []string{"/.well-known/openid-configuration", "/keys"} {
			for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
				w := serverWorld(t)
				w.issuer.answer(func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == path {
						rw.Header().Set("Location", to)
						rw.WriteHeader(status)
						return
					}
					writeJSON(rw, map[string]any{"issuer": w.issuer.url, "jwks_uri": w.issuer.url + "/keys"})
				})
				e := w.out(bearer(w.issuer.token("alice")))
				require.Equal(t, http.StatusServiceUnavailable, e.Status)
				require.Contains(t, e.Detail, "redirect to another host or scheme", "%s from %s", name, path)
			}
		}
	}
	require.Zero(t, asked.Load())
}

// serverWorld is a world whose issuer is a real server on this machine.
func serverWorld(t *testing.T) *world {
	t.Helper()
	i := newIssuer(t)
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	w := newWorld(t, func(c *Config) { c.Providers[0].Issuer, c.Providers[0].HTTPClient = i.url, nil })
	w.issuer = i
	return w
}

// The provider's name leads to somebody else for a while (DNS rebinding, poisoning). The
// certificate is what says who answers: Jackson et al., "Protecting Browsers from DNS
// Rebinding Attacks" (2007); OpenID Connect Discovery section 7.1, RFC 9525.
func TestAttack_DNSReboundProvider(t *testing.T) {
	t.Parallel()
	genuine, rogue := newIssuer(t), newIssuer(t)
	genuine.url, rogue.url = "https://example.com", "https://example.com" // the name in httptest's certificate
	rogue.publish("ec2")
	good := httptest.NewTLSServer(genuine)
	evil := httptest.NewUnstartedServer(rogue)
	evil.Config.ErrorLog = nil
	evil.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t, "example.com")}}
	evil.StartTLS()
	plain := httptest.NewServer(rogue)
	t.Cleanup(good.Close)
	t.Cleanup(evil.Close)
	t.Cleanup(plain.Close)
	roots := x509.NewCertPool()
	roots.AddCert(good.Certificate())
	var leadsTo atomic.Pointer[string]
	point := func(s *httptest.Server) { a := s.Listener.Addr().String(); leadsTo.Store(&a) }
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, *leadsTo.Load())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	provider := func(c *Config) {
		c.Providers[0].Issuer, c.Providers[0].HTTPClient = genuine.url, &http.Client{Transport: transport}
	}
	w := newWorld(t, provider)
	forged := signText(t, "ec2", `{"alg":"ES256","kid":"ec2"}`, payloadOf(genuine.token("mallory")))
	for _, s := range []*httptest.Server{evil, plain} {
		point(s)
		require.Equal(t, http.StatusServiceUnavailable, w.out(bearer(forged)).Status)
	}
	require.Zero(t, rogue.discoveries.Load()+rogue.fetches.Load())
	point(good)
	w.service.Stop()
	w.state.Close()
	w.state = openTestState(t, w.records) // the back-off is forgotten
	w.service = w.start(provider)
	w.in(bearer(genuine.token("alice")))
	transport.CloseIdleConnections()
	point(evil)
	require.Equal(t, http.StatusServiceUnavailable, w.out(bearer(forged)).Status)
	w.in(bearer(genuine.token("bob")))
	require.Zero(t, rogue.fetches.Load())
}

func payloadOf(token string) string {
	_, payload := splitToken(token)
	return payload
}

// A page whose name leads to this machine cannot use the administrator's site, though the
// connection comes from here: the Host is the page's (DECISIONS 10). Jackson et al. (2007);
// CVE-2018-5702 was such a hole.
func TestAttack_DNSReboundAdministratorsSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.site = &Site{Admin: &AdminRule{Loopback: true}}
	for _, host := range []string{
		"evil.example.com", "evil.example.com:4985", "localhost.evil.example.com", "127.0.0.1.evil.example.com", "evil.localhost", "localhost.",
		"127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "127.0.0.1@evil.example.com", "127.0.0.1,evil.example.com", "",
	} {
		r := fromHere(get())
		r.Host = host
		_, err := w.service.Authenticate(r, w.site, notes)
		require.Equal(t, http.StatusForbidden, asError(t, err).Status, host)
		_, err = w.service.AuthenticateAdmin(r, w.site)
		require.Equal(t, http.StatusForbidden, asError(t, err).Status, host)
	}
	_, err := w.service.Authenticate(fromHere(get()), w.site, notes)
	require.NoError(t, err)
}

// A small answer that becomes a large one: CWE-409.
func TestAttack_CompressedFloodOfKeys(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	_ = z.Close()
	w := serverWorld(t)
	w.issuer.answer(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(bomb.Bytes())
	})
	e := w.out(bearer(w.issuer.token("alice")))
	require.Equal(t, http.StatusServiceUnavailable, e.Status)
	require.Contains(t, e.Detail, "answer over")
}

func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	key := testKeys()["ec2"]
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
