package caddysync

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authSite has an administrator's site, and one whose other handlers stand behind the
// sign-in of notes.
type authSite struct {
	*testSite
	admin string
}

func newAuthSite(t *testing.T, upstream string) *authSite {
	t.Helper()
	s := &authSite{testSite: newTestSite(t)}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.admin = l.Addr().String()
	require.NoError(t, l.Close())
	require.NoError(t, s.load(adapt(t, fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	sync {
		store memory %[1]s
		database notes {
			guest
			access shared
			password_auth
		}
	}
}
http://%[2]s {
	bind 127.0.0.1
	sync_auth /app/* notes
	sync_auth /staff/* notes {
		require role staff
	}
	respond /app/* "{http.auth.user.id} {http.auth.user.roles} {http.auth.user.email} {http.auth.user.method}"
	respond /staff/* "staff only"
	handle /slow {
		sync_auth notes
		reverse_proxy %[3]s
	}
	handle /slow/staff {
		sync_auth notes {
			require role staff
		}
		reverse_proxy %[3]s
	}
	sync notes
	respond 404
}
http://%[4]s {
	bind 127.0.0.1
	sync notes {
		admin {
			allow loopback
		}
	}
}
`, strings.ReplaceAll(t.Name(), "/", "_"), s.addr, upstream, s.admin))))
	return s
}

// do sends a request to a site, again if it got no byte of an answer, as after a reload
// (DECISIONS 40).
func (s *authSite) do(method, addr, path, body string, header map[string]string) (*http.Response, string) {
	s.t.Helper()
	send := func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		require.NoError(s.t, err)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		for key, value := range header {
			r.Header.Set(key, value)
		}
		return s.client.Do(r)
	}
	answer, err := send()
	for retries := 0; err != nil && retries < 3; retries++ {
		answer, err = send()
	}
	require.NoError(s.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		text = []byte(err.Error())
	}
	return answer, string(text)
}

// session makes a user and a session of theirs.
func (s *authSite) session(name, user string) map[string]string {
	s.t.Helper()
	_, text := s.do(http.MethodPut, s.admin, "/notes/_user/"+name, user, nil)
	require.Contains(s.t, text, `"ok":true`)
	_, text = s.do(http.MethodPost, s.admin, "/notes/_session", `{"name":"`+name+`"}`, nil)
	var made struct {
		ID     string `json:"session_id"`
		Cookie string `json:"cookie_name"`
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &made))
	return map[string]string{"Cookie": made.Cookie + "=" + made.ID}
}

// Whoever guesses passwords is seen by this, as whoever brings bad tokens is.
func TestRefusedCredentialsAreCounted(t *testing.T) {
	s := newAuthSite(t, "127.0.0.1:1")
	s.session("bob", `{"password":"a long password"}`)
	counted := func() uint64 { return handles()[0].metrics.authFailures.Load() }
	for _, path := range []string{"/notes", "/app/x", "/notes/_session"} {
		s.do(http.MethodGet, s.addr, path, "", nil)
		s.do(http.MethodGet, s.addr, path, "", map[string]string{"Authorization": "Basic Ym9iOmEgbG9uZyBwYXNzd29yZA=="})
	}
	require.Zero(t, counted(), "nobody, and who is right")
	for n, refused := range []struct{ path, body, authorization string }{
		{"/notes", "", "Basic Ym9iOmd1ZXNzZWQ="}, {"/notes", "", "Bearer x.y.z"}, {"/app/x", "", "Basic Ym9iOmd1ZXNzZWQ="}, {"/app/x", "", "Bearer x.y.z"},
		{"/notes/_session", `{"name":"bob","password":"guessed too"}`, ""},
	} {
		method := http.MethodGet
		if refused.body != "" {
			method = http.MethodPost
		}
		answer, _ := s.do(method, s.addr, refused.path, refused.body, map[string]string{"Authorization": refused.authorization})
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode, refused)
		require.EqualValues(t, n+1, counted(), refused)
	}
}

func TestOtherHandlersStandBehindTheSameSignIn(t *testing.T) {
	s := newAuthSite(t, "127.0.0.1:1")
	alice := s.session("alice", `{"admin_roles":["staff","night shift"],"email":"alice@example.com"}`)
	bob := s.session("bob", `{"admin_roles":["not staff"],"password":"a long password"}`)
	answer, text := s.do(http.MethodGet, s.addr, "/app/x", "", alice)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "alice night shift,staff alice@example.com cookie", text)
	_, text = s.do(http.MethodGet, s.addr, "/staff/x", "", alice)
	require.Equal(t, "staff only", text)
	answer, _ = s.do(http.MethodGet, s.addr, "/staff/x", "", bob)
	require.Equal(t, http.StatusForbidden, answer.StatusCode, "a role is a whole name")
	answer, text = s.do(http.MethodGet, s.addr, "/app/x", "", map[string]string{"Authorization": "Basic Ym9iOmEgbG9uZyBwYXNzd29yZA=="})
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "bob not staff  basic", text)
	for name, header := range map[string]map[string]string{
		"nobody (guests are no users)": nil,
		"a bad token":                  {"Authorization": "Bearer x.y.z"},
		"a stale cookie":               {"Cookie": "SyncGatewaySession=" + strings.Repeat("x", 43)},
		"another than is asked for":    {"Cookie": alice["Cookie"], "If-User": "bob"},
	} {
		answer, _ = s.do(http.MethodGet, s.addr, "/app/x", "", header)
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode, name)
		require.Contains(t, answer.Header.Get("WWW-Authenticate"), "Bearer", name)
	}
	evil := map[string]string{"Cookie": alice["Cookie"], "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
	answer, _ = s.do(http.MethodPost, s.addr, "/app/x", "{}", evil)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "a write from another site's page")
	evil["Upgrade"], evil["Connection"] = "websocket", "Upgrade"
	answer, _ = s.do(http.MethodGet, s.addr, "/app/x", "", evil)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "a WebSocket from another site's page")
	answer, _ = s.do(http.MethodPost, s.addr, "/app/x", "{}", alice)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	_, _ = s.do(http.MethodPut, s.admin, "/notes/_user/alice", `{"disabled":true}`, nil)
	answer, _ = s.do(http.MethodGet, s.addr, "/app/x", "", alice)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode, "disabled at once")
}

// What passed the sign-in of notes ends with it, and with the role that it was let in by.
func TestProxiedRequestsEndWithTheSignIn(t *testing.T) {
	for name, c := range map[string]struct{ path, method, end, body string }{
		"session": {"/slow", http.MethodDelete, "/notes/_user/alice/_session", ""},
		"role":    {"/slow/staff", http.MethodPut, "/notes/_user/alice", `{"admin_roles":["other"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			open, over := make(chan struct{}), make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				close(open)
				<-r.Context().Done()
				close(over)
			}))
			defer upstream.Close()
			s := newAuthSite(t, strings.TrimPrefix(upstream.URL, "http://"))
			alice := s.session("alice", `{"admin_roles":["staff"]}`)
			done := make(chan struct{})
			go func() {
				defer close(done)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+c.path, nil)
				if err != nil {
					return
				}
				r.Header.Set("Cookie", alice["Cookie"])
				if answer, err := s.client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			}()
			select {
			case <-open:
			case <-done:
				t.Fatal("the request did not reach the upstream")
			}
			_, text := s.do(c.method, s.admin, c.end, c.body, nil)
			require.Contains(t, text, `"ok":true`)
			select {
			case <-over:
			case <-time.After(10 * time.Second):
				t.Error("the upstream's request goes on")
				s.do(http.MethodDelete, s.admin, "/notes/_user/alice", "", nil)
			}
			<-done
		})
	}
}

func TestAuthDirectiveErrors(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{
		"sync_auth":                                       "name of one database",
		"sync_auth notes other":                           "name of one database",
		"sync_auth notes {\n requires role x\n}":          `unrecognized sync_auth subdirective "requires"`,
		"sync_auth notes {\n require role\n}":             "require role <role…>",
		"sync_auth notes {\n require claim a b\n}":        "require role <role…>",
		"sync_auth notes {\n require role \"\"\n}":        "a role is empty",
		"sync_auth notes {\n origins a\n origins b\n}":    `"origins" is repeated`,
		"sync_auth notes {\n require role a {\n b\n }\n}": "require takes no block",
	} {
		require.Contains(t, adaptError(t, withGlobal("store memory auth\ndatabase notes", site)), want, site)
	}
}
