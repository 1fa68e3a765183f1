package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds one fetch from a provider, from the dial to the last byte.
	fetchTimeout = 10 * time.Second
	// fetchLimit is the largest answer of a provider that is read, in bytes.
	fetchLimit = 1 << 20
)

// newFetchClient returns the HTTP client for a provider's metadata and keys.
func newFetchClient(p Provider) (*http.Client, error) {
	client := &http.Client{}
	if p.HTTPClient != nil {
		*client = *p.HTTPClient
	} else {
		roots, err := rootCAs(p.CAFile)
		if err != nil {
			return nil, err
		}
		client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  fetchTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           2,
			IdleConnTimeout:        30 * time.Second,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12,
				RootCAs:    roots,
				//nolint:gosec // G402: only if the operator wrote insecure_skip_verify
				InsecureSkipVerify: p.InsecureSkipVerify,
			},
		}
	}
	if client.Timeout == 0 || client.Timeout > fetchTimeout {
		client.Timeout = fetchTimeout
	}
	client.Jar = nil
	client.CheckRedirect = sameHostRedirects
	return client, nil
}

func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no PEM certificate", file)
	}
	return pool, nil
}

// sameHostRedirects follows redirects within the provider's host only: its keys are
// as good as the host that serves them.
func sameHostRedirects(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return errors.New("redirect to another host or scheme")
	}
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return nil
}

// fetch GETs a small JSON document. It never puts any of the answer's bytes into an error.
func fetch(ctx context.Context, client *http.Client, address string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("fetching %s: %w", address, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err // *url.Error: names method and address
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("fetching %s: status %d", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, fetchLimit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", address, err)
	}
	if len(body) > fetchLimit {
		return nil, nil, fmt.Errorf("reading %s: answer over %d bytes", address, fetchLimit)
	}
	return body, resp.Header, nil
}

// checkEndpoint refuses URLs that keys may not be fetched from: anything but https,
// http only on this machine.
func checkEndpoint(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Hostname() == "" || u.Opaque != "":
		return errors.New("not an absolute URL")
	case u.User != nil:
		return errors.New("must not hold a user name or password")
	case u.Fragment != "":
		return errors.New("must not have a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopbackHost(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("http is accepted on loopback hosts only: use https")
	}
	return errors.New("scheme must be https")
}

// loopbackHost reports whether a host name or address can only be this machine.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true // RFC 6761 section 6.3
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() && addr.Zone() == "" // a zone leads elsewhere, or nowhere
}
