package lite1

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// site is a server with the database notes in memory, served in process, and its
// administrator's site.
type site struct {
	t     *testing.T
	store *syncstore.Store
	db    *syncstore.Database
	idp   *provider
	url   string // of the database
	admin string // of the database, for administrators
	stop  chan struct{}
}

// byBody is a policy: documents name their channels, and tell whether they are bad.
type byBody struct{}

func (byBody) Evaluate(_ context.Context, write syncstore.Evaluation) (o syncstore.Outcome, err error) {
	var body struct {
		Channels []string
		Bad      bool
	}
	if err := json.Unmarshal(write.New.Body, &body); err != nil {
		return o, err
	}
	if body.Bad {
		return o, &access.RejectionError{Status: http.StatusForbidden, Reason: "no bad docs"}
	}
	o.Channels = body.Channels
	return o, nil
}

// newSite makes a site with the users alice and bob, whose password is "pass", and who sign in
// at its provider under other names, as "carol" does.
func newSite(t *testing.T, configure ...func(*auth.Config)) *site {
	t.Helper()
	s := &site{t: t, idp: newProvider(t), stop: make(chan struct{})}
	e := memory.New()
	var err error
	s.store, err = syncstore.Open(t.Context(), e, syncstore.Options{})
	require.NoError(t, err)
	s.db, err = s.store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	s.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	c := auth.Config{
		Providers: []auth.Provider{{Name: "idp", Issuer: s.idp.url, ClientIDs: []string{"app"}, Register: true, UsernameClaim: "sub"}},
		Databases: []auth.Policy{{Name: "notes", Providers: []string{"idp"}, PasswordAuth: true, AccessStated: true}},
	}
	for _, change := range configure {
		change(&c)
	}
	service, err := auth.New(c)
	require.NoError(t, err)
	state, err := auth.OpenState(t.Context(), s.store.Records(), nil)
	require.NoError(t, err)
	require.NoError(t, service.Start(t.Context(), state))
	s.url = s.serve(service, nil)
	s.admin = s.serve(service, &auth.AdminRule{ClientIPs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	t.Cleanup(func() {
		service.Stop()
		state.Close()
		require.NoError(t, s.store.Close())
		require.NoError(t, e.Close())
	})
	for _, user := range []string{"alice", "bob"} {
		s.do(http.MethodPut, "_user/"+user, `{"password":"correct horse"}`, http.StatusOK, http.StatusCreated)
		s.give(user, user)
	}
	return s
}

func (s *site) serve(service *auth.Service, rule *auth.AdminRule) string {
	s.t.Helper()
	h, err := rest.New(rest.Config{
		Store: s.store, Auth: service, Site: auth.Site{CookiePath: "/", Admin: rule}, Databases: []string{"notes"},
		TempDir: s.t.TempDir(), Streams: s.stop,
	})
	require.NoError(s.t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := auth.Client{Addr: netip.MustParseAddr("127.0.0.1"), Host: r.Host}
		h.ServeHTTP(w, r.WithContext(auth.WithClient(r.Context(), client)), http.NotFoundHandler())
	}))
	s.t.Cleanup(server.Close)
	return server.URL + "/notes"
}

// give gives channels to a user.
func (s *site) give(user string, channels ...string) {
	s.t.Helper()
	given := make([]syncstore.Given, len(channels))
	for i, name := range channels {
		given[i].Channel = name
	}
	require.NoError(s.t, s.store.Records().Update(s.t.Context(), func(tx syncstore.RecordTx) error {
		tx.SetGrants(s.db.ID(), user, syncstore.GrantedByAdmin, given)
		return nil
	}))
}

// do asks as an administrator.
func (s *site) do(method, path, body string, statuses ...int) string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.admin+"/"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	if len(statuses) == 0 {
		statuses = []int{http.StatusOK, http.StatusCreated}
	}
	require.Contains(s.t, statuses, answer.StatusCode, "%s %s: %s", method, path, text)
	return string(text)
}

// put writes a document as an administrator and returns its revision.
func (s *site) put(id, body string) string {
	s.t.Helper()
	var answer struct{ Rev string }
	require.NoError(s.t, json.Unmarshal([]byte(s.do(http.MethodPut, url.PathEscape(id), body)), &answer))
	return answer.Rev
}

// holds tells all that the server holds, as Device.Holds does.
func (s *site) holds() map[string][]string {
	s.t.Helper()
	var all struct{ Results []struct{ ID string } }
	require.NoError(s.t, json.Unmarshal([]byte(s.do(http.MethodGet, "_changes", "")), &all))
	held := map[string][]string{}
	for _, row := range all.Results {
		var leaves []struct{ OK json.RawMessage }
		text := s.do(http.MethodGet, url.PathEscape(row.ID)+"?open_revs=all&attachments=true", "")
		require.NoError(s.t, json.Unmarshal([]byte(text), &leaves))
		doc := &document{id: row.ID, revs: map[string]*revision{}}
		for _, leaf := range leaves {
			p, err := (&received{text: withoutHistory(s.t, leaf.OK)}).parse(nil)
			require.NoError(s.t, err)
			doc.revs[p.rev] = p.revision
		}
		for _, leaf := range doc.leaves() {
			held[row.ID] = append(held[row.ID], describe(s.t, leaf))
		}
	}
	return held
}

// withoutHistory makes a document one whose history parse does not ask for.
func withoutHistory(tb testing.TB, text []byte) []byte {
	tb.Helper()
	var rev struct {
		Rev string `json:"_rev"`
	}
	require.NoError(tb, json.Unmarshal(text, &rev))
	_, digest, _ := strings.Cut(rev.Rev, "-")
	history, err := json.Marshal(map[string]any{"start": generation(rev.Rev), "ids": []string{digest}})
	require.NoError(tb, err)
	return bytes.Replace(text, []byte(`{`), slices.Concat([]byte(`{"_revisions":`), history, []byte(`,`)), 1)
}

// as is a configuration of a user by password.
func (s *site) as(user string) Config {
	return Config{URL: s.url, User: user, Password: "correct horse"}
}

func (s *site) push(user string) Config {
	c := s.as(user)
	c.Push = true
	return c
}
