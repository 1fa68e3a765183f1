package test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// request is one raw HTTP request; URL may be a path of the sync site.
type request struct {
	method, url, body string
	header            map[string]string
}

// reply is its answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as it is: no cookies, no redirects followed.
func ask(t *testing.T, s *harness.Server, r request) reply {
	t.Helper()

	got, err := try(t, s, r)
	require.NoError(t, err)

	return got
}

// askAfterReload is ask for a server whose reload may cost a request its connection
// (DECISIONS 40, and the known limit beside it in docs/architecture.md): such a request
// is sent again.
func askAfterReload(t *testing.T, s *harness.Server, r request) (got reply) {
	t.Helper()

	eventually(t, 5*time.Second, func() bool {
		var err error

		got, err = try(t, s, r)

		return err == nil
	})

	return got
}

// try is ask; an error says that no answer came.
func try(t *testing.T, s *harness.Server, r request) (reply, error) {
	t.Helper()

	if strings.HasPrefix(r.url, "/") {
		r.url = s.URL + r.url
	}

	if r.method == "" {
		r.method = http.MethodGet
	}

	req, err := http.NewRequestWithContext(t.Context(), r.method, r.url, strings.NewReader(r.body))
	require.NoError(t, err)

	for name, value := range r.header {
		req.Header.Set(name, value)
	}

	if r.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}

	client := http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}

	defer func() { _ = res.Body.Close() }()

	body, err := io.ReadAll(res.Body)

	return reply{status: res.StatusCode, header: res.Header, body: string(body)}, err
}

// bearer are the headers of a user of the development provider.
func bearer(t *testing.T, s *harness.Server, user string) map[string]string {
	t.Helper()

	token, err := s.Token(t.Context(), user, nil)
	require.NoError(t, err)

	return map[string]string{"Authorization": "Bearer " + token}
}

// cookie trades a user's token for a session and returns the Cookie header's value.
func cookie(t *testing.T, s *harness.Server, user string) string {
	t.Helper()

	made := ask(t, s, request{method: http.MethodPost, url: "/notes/_session", header: bearer(t, s, user)})
	require.Equal(t, http.StatusOK, made.status, made.body)

	pair, _, _ := strings.Cut(made.header.Get("Set-Cookie"), ";")
	require.Contains(t, pair, "=")

	return pair
}

// cookies are those that an answer sets, as the next request has them.
func cookies(r reply) string {
	var set []string

	for _, line := range r.header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		set = append(set, pair)
	}

	return strings.Join(set, "; ")
}
