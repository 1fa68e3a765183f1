package test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// A browser's cookie is all tabs': what alice's still has to send must not go as bob's, who has
// signed in in another one.
func TestWhatIsForOneUserIsNotDoneForAnother(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Site: "cors {\norigins " + appOrigin + "\ncredentials\n}",
	}})
	alice, bob := cookie(t, server, "alice"), cookie(t, server, "bob")
	var who struct{ UserCtx struct{ Name string } }
	require.NoError(t, json.Unmarshal([]byte(ask(t, server, request{url: "/notes/_session", header: map[string]string{"Cookie": alice}}).body), &who))
	name := url.PathEscape(who.UserCtx.Name)

	for _, r := range []request{
		{method: http.MethodPut, url: "/notes/a", body: `{}`},
		{method: http.MethodPost, url: "/notes/_bulk_docs", body: `{"docs":[{"_id":"a"}]}`},
		{method: http.MethodPut, url: "/notes/_local/a", body: `{}`},
		{url: "/notes/_changes?feed=longpoll"},
		{url: "/notes/_changes?feed=eventsource"},
		{url: "/notes/_changes?feed=websocket"},
		{url: "/notes/_blipsync"},
		{method: http.MethodDelete, url: "/notes/_session"},
		{method: http.MethodDelete, url: "/_session/all"},
	} {
		r.header = map[string]string{"Cookie": bob, "If-User": name, "Origin": appOrigin}
		got := ask(t, server, r)
		require.Equal(t, http.StatusUnauthorized, got.status, "%s %s: %s", r.method, r.url, got.body)
		require.JSONEq(t, `{"error":"unauthorized","reason":"another user has signed in"}`, got.body)
		require.Equal(t, appOrigin, got.header.Get("Access-Control-Allow-Origin"), "a script must see the 401")
		require.Empty(t, got.header.Get("Set-Cookie"))
	}
	got := ask(t, server, request{url: "/notes/a", header: map[string]string{"Cookie": bob}})
	require.Equal(t, http.StatusNotFound, got.status, "nothing was written, and he is signed in still")

	got = ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: `{}`, header: map[string]string{"Cookie": alice, "If-User": name}})
	require.Equal(t, http.StatusCreated, got.status, got.body)
}
