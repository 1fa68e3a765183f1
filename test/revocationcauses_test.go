package test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// expiries end by themselves.
func (m *matrix) expiries(t *testing.T) []*revocation {
	t.Helper()

	aged := m.token(t, "aged", url.Values{"ttl": {"6"}})

	var claims struct {
		Exp int64 `json:"exp"`
	}

	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(aged, ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))

	brief, made := m.session(t, "brief", request{header: bearer(t, m.Server, "expired")})

	return []*revocation{
		{
			cause: "session expired", database: "brief", headers: []map[string]string{brief},
			end: func(*testing.T, *matrix) time.Time { return made.Add(4 * time.Second) },
			fresh: func(t *testing.T, m *matrix) map[string]string {
				t.Helper()

				header, _ := m.session(t, "brief", request{header: bearer(t, m.Server, "expired")})

				return header
			},
		},
		{
			cause: "token expired", headers: []map[string]string{bearerOf(aged)},
			end:   func(*testing.T, *matrix) time.Time { return time.Unix(claims.Exp, 0) },
			fresh: byToken("aged"),
		},
	}
}

// sessionDeleted is a session that its user ends from elsewhere, which also refuses the
// token that it was made from (DECISIONS 4).
func (m *matrix) sessionDeleted(t *testing.T) *revocation {
	t.Helper()

	source := bearerOf(m.token(t, "listed", nil))
	header, _ := m.session(t, "notes", request{header: source})

	return &revocation{
		cause: "session deleted", headers: []map[string]string{header, source},
		end: func(t *testing.T, m *matrix) time.Time {
			t.Helper()

			elsewhere := bearer(t, m.Server, "listed")
			all := ask(t, m.Server, request{url: "/notes/_session/all", header: elsewhere})
			require.Equal(t, http.StatusOK, all.status, all.body)

			handle := regexp.MustCompile(`"handle":"([^"]+)"`).FindStringSubmatch(all.body)
			require.Len(t, handle, 2, all.body)

			gone := ask(t, m.Server, request{method: http.MethodDelete, url: "/notes/_session/" + handle[1], header: elsewhere})
			require.Equal(t, http.StatusOK, gone.status, gone.body)

			return time.Now()
		},
		fresh: byToken("listed"),
	}
}

// userCauses are what an administrator does to a user.
func (m *matrix) userCauses(t *testing.T) []*revocation {
	t.Helper()

	both := func(user string) []map[string]string {
		token := bearerOf(m.token(t, user, nil))
		header, _ := m.session(t, "notes", request{header: token})

		return []map[string]string{header, token}
	}

	return []*revocation{
		{
			cause: "user disabled", headers: both("disabled"),
			end: func(t *testing.T, m *matrix) time.Time {
				t.Helper()

				return m.admin(t, http.MethodPut, "/notes/_user/disabled", `{"disabled":true}`)
			},
			fresh: func(t *testing.T, m *matrix) map[string]string {
				t.Helper()
				m.admin(t, http.MethodPut, "/notes/_user/disabled", `{"disabled":false}`)

				return bearerOf(m.token(t, "disabled", nil))
			},
		},
		{
			// Also row 5 of reference/blip.md 8.1: requireEnded has the sockets dropped.
			cause: "user deleted", headers: both("deleted"),
			end: func(t *testing.T, m *matrix) time.Time {
				t.Helper()

				return m.admin(t, http.MethodDelete, "/notes/_user/deleted", "")
			},
			fresh: byToken("deleted"), // who is registered anew
		},
		m.passwordChanged(t),
	}
}

func (m *matrix) passwordChanged(t *testing.T) *revocation {
	t.Helper()

	basic := func(password string) map[string]string {
		return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("paul:"+password))}
	}

	m.admin(t, http.MethodPut, "/notes/_user/paul", `{"password":"the old password"}`)

	header, _ := m.session(t, "notes", request{body: `{"name":"paul","password":"the old password"}`})

	return &revocation{
		cause: "password changed", headers: []map[string]string{header, basic("the old password")},
		end: func(t *testing.T, m *matrix) time.Time {
			t.Helper()

			return m.admin(t, http.MethodPut, "/notes/_user/paul", `{"password":"the new password"}`)
		},
		fresh: func(*testing.T, *matrix) map[string]string { return basic("the new password") },
	}
}

// backchannelLogout is told by the provider. A dev token names no sign-in: all of the
// user's end.
func (m *matrix) backchannelLogout(t *testing.T) *revocation {
	t.Helper()

	token := m.token(t, "bound", nil)
	header, _ := m.session(t, "notes", request{header: bearerOf(token)})

	return &revocation{
		cause: "back-channel logout", headers: []map[string]string{header, bearerOf(token)},
		end: func(t *testing.T, m *matrix) time.Time {
			t.Helper()

			out := ask(t, m.Server, request{url: m.Issuer + "/logout?id_token_hint=" + token})
			require.Equal(t, http.StatusFound, out.status, out.body)

			return time.Now()
		},
		fresh: byToken("bound"),
	}
}

// providerRemoved is a reload without the provider; the others go on through it.
func (m *matrix) providerRemoved(t *testing.T) *revocation {
	t.Helper()

	foreign := func(t *testing.T) map[string]string {
		t.Helper()

		got := askAfterReload(t, m.Server, request{
			method: http.MethodPost, url: m.URL + "/idp2/dev/token", body: "user=guest",
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/plain"},
		})
		require.Equal(t, http.StatusOK, got.status, got.body)

		return bearerOf(got.body)
	}
	reload := func(t *testing.T, m *matrix, settings harness.Settings) time.Time {
		t.Helper()
		require.NoError(t, m.Rewrite(settings))
		require.NoError(t, m.Reload(t.Context()))

		return time.Now()
	}

	header, _ := m.session(t, "notes", request{header: foreign(t)})

	return &revocation{
		cause: "provider removed", headers: []map[string]string{header, foreign(t)},
		end: func(t *testing.T, m *matrix) time.Time {
			t.Helper()

			return reload(t, m, m.without)
		},
		fresh: func(t *testing.T, m *matrix) map[string]string {
			t.Helper()
			reload(t, m, m.with)

			return foreign(t)
		},
	}
}
