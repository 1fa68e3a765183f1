package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// D.6: the options come as the first message, text or binary; then rows in arrays, an empty
// one for "caught up", and what changes.
func TestD6_RowsThenCaughtUpThenWhatChanges(t *testing.T) {
	t.Parallel()
	for _, options := range []string{``, `{}`, `{"feed":"websocket","heartbeat":300000,"style":"all_docs","accept_encoding":"gzip"}`} {
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			g := newGate(t)
			g.give("alice", "a")
			g.store("first", "", "a")
			second := g.store("second", "", "a")
			s, _, err := newWire(t, g.Handler).dial("alice", "/notes/_changes?feed=websocket")
			require.NoError(t, err)
			require.NoError(t, s.ws.Write(t.Context(), kind, []byte(options)))
			require.Equal(t, []string{"2 first", "3 second"}, s.rows())
			require.Equal(t, "[]", s.next())
			g.store("third", "", "a")
			require.Equal(t, []string{"4 third"}, s.rows())
			g.store("elsewhere", "", "b")
			g.remove(second)
			require.Equal(t, []string{"6 second deleted"}, s.rows())
		}
	}
}

func TestD6_CaughtUpIsTextAlsoAmongPackedMessages(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a")
	for _, id := range numbered("a-document-of-alice-", 100) {
		g.store(id, "", "a")
	}
	s := newWire(t, g.Handler).open("alice", `{"accept_encoding":"gzip"}`)
	kinds := map[websocket.MessageType]int{}
	for {
		kind, message, err := s.ws.Read(t.Context())
		require.NoError(t, err)
		kinds[kind]++
		if kind == websocket.MessageText {
			require.Equal(t, "[]", string(message))
			break
		}
	}
	require.Equal(t, map[websocket.MessageType]int{websocket.MessageText: 1, websocket.MessageBinary: 1}, kinds)
}

func TestSocketOptions(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a", "b")
	g.store("a1", "", "a")
	g.remove(g.store("a2", "", "a"))
	g.store("b1", "", "b")
	w := newWire(t, g.Handler)
	for options, want := range map[string][]string{
		`{"since":3}`:          {"4 a2 deleted", "5 b1"},
		`{"since":"3"}`:        {"4 a2 deleted", "5 b1"},
		`{"since":"5"}`:        {},
		`{"active_only":true}`: {"2 a1", "5 b1"},
		`{"filter":"sync_gateway/bychannel","channels":"b"}`:        {"5 b1"},
		`{"filter":"sync_gateway/bychannel","channels":"b,a,none"}`: {"2 a1", "4 a2 deleted", "5 b1"},
		`{"filter":"_doc_ids","doc_ids":["b1","none"]}`:             {"5 b1"},
		`{"filter":"_selector","selector":{"text":"body-of-a1"}}`:   {"2 a1"},
		`{"descending":true}`: {"5 b1", "4 a2 deleted", "2 a1"},
	} {
		s := w.open("alice", options)
		message := s.next()
		rows := rowsOf(t, message)
		require.Equal(t, want, rows, options)
		if message != "[]" {
			require.Equal(t, "[]", s.next(), options)
		}
	}
	s := w.open("alice", `{"include_docs":true,"limit":1}`)
	require.Contains(t, s.next(), `"doc":{"_id":"a1","_rev":"1-`)
	closed, _ := s.ended()
	require.Equal(t, websocket.StatusNormalClosure, closed.Code)
	s, _, err := w.dial("alice", "/notes/_changes?feed=websocket&since=4")
	require.NoError(t, err)
	require.NoError(t, s.ws.Write(t.Context(), websocket.MessageText, []byte(`{"since":0}`)))
	require.Equal(t, []string{"5 b1"}, s.rows(), "the query goes before the message")
}

// B.5, B.6: what somebody is given while the feed is open comes with what was there, and what
// they lose is told if they asked for it.
func TestSocketFollowsChangesOfAccess(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.store("old", "", "a")
	w := newWire(t, g.Handler)
	plain, revoking := w.open("alice", `{"accept_encoding":"gzip"}`), w.open("alice", `{"revocations":true}`)
	require.Equal(t, "[]", plain.next())
	require.Equal(t, "[]", revoking.next())
	g.give("alice", "a")
	require.Equal(t, []string{"2:1 old"}, plain.rows())
	require.Equal(t, []string{"2:1 old"}, revoking.rows())
	g.give("alice", "b")
	require.Equal(t, []string{"3:1 old revoked"}, revoking.rows())
	g.store("new", "", "b")
	require.Equal(t, []string{"4 new"}, plain.rows())
	require.Equal(t, []string{"4 new"}, revoking.rows())
	g.give("alice", "a", "b")
	require.Equal(t, []string{"5:1 old"}, plain.rows())
	again := w.open("alice", `{"since":"5:0"}`)
	require.Equal(t, []string{"5:1 old"}, again.rows(), "a compound sequence, as Couchbase Lite sends it back")
}

// A timeout of 0 kept a processor busy for each such feed, and one of a millisecond nearly so.
func TestSocketHasNoTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.give("alice", "a")
		w := newWire(t, g.Handler)
		var open []*socket
		for _, options := range []string{`{"timeout":0}`, `{"timeout":1}`, `{}`} {
			s := w.open("alice", options)
			require.Equal(t, "[]", s.next())
			open = append(open, s)
		}
		time.Sleep(24 * time.Hour)
		g.store("new", "", "a")
		for _, s := range open {
			require.Equal(t, []string{"2 new"}, s.rows())
		}
	})
}

func TestSocketLeavesTombstonesOutOfTheCatchUpOnly(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "a")
	kept := g.store("kept", "", "a")
	g.remove(g.store("gone", "", "a"))
	s := newWire(t, g.Handler).open("alice", `{"active_only":true}`)
	require.Equal(t, []string{"2 kept"}, s.rows())
	require.Equal(t, "[]", s.next())
	g.remove(kept)
	require.Equal(t, []string{"5 kept deleted"}, s.rows())
}

// The messages of a large feed are pieces of one gzip stream, none of them too long for
// Couchbase Lite for .NET, which takes 128 KiB of each.
func TestSocketSendsPieces(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	var edits []syncstore.Edit
	for _, id := range numbered(strings.Repeat("long", 50), 2000) {
		edits = append(edits, syncstore.Edit{ID: id, Body: []byte(`{}`)})
	}
	writeEdits(t, g.db, edits...)
	for _, options := range []string{`{}`, `{"accept_encoding":"gzip"}`, `{"include_docs":true,"accept_encoding":"gzip"}`} {
		s := newWire(t, g.admin).open("admin", options)
		n, messages := 0, 0
		for {
			message := s.next()
			if message == "[]" {
				break
			}
			require.Less(t, len(message), 128<<10)
			n += len(rowsOf(t, message))
			messages++
		}
		require.Equal(t, 2000, n)
		require.Greater(t, messages, 5)
	}
}

// Couchbase Lite gives up a WebSocket on which nothing comes for a tenth longer than it asked.
func TestSocketHeartbeatsAreEmptyMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		w := newWire(t, g.Handler)
		s, quiet := w.open("alice", `{"heartbeat":300000}`), w.open("alice", `{}`)
		for _, one := range []*socket{s, quiet} {
			require.Equal(t, "[]", one.next())
		}
		began := time.Now()
		for i := range 3 {
			text, err := s.read()
			require.NoError(t, err)
			require.Empty(t, text)
			require.Equal(t, time.Duration(i+1)*time.Minute, time.Since(began), "the longest between two")
		}
		time.Sleep(24 * time.Hour)
		g.store("late", "", "!")
		require.Equal(t, []string{"1 late"}, quiet.rows(), "without heartbeats there is no time limit")
	})
}

func TestDecision38_SocketsEndWithTheirLease(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(g *gate, lease *fakeLease, stop chan struct{})
		code websocket.StatusCode
	}{
		"lease":  {func(_ *gate, lease *fakeLease, _ chan struct{}) { close(lease.ended) }, statusUnauthorized},
		"server": {func(_ *gate, _ *fakeLease, stop chan struct{}) { close(stop) }, websocket.StatusGoingAway},
		"database": {func(g *gate, _ *fakeLease, _ chan struct{}) {
			require.NoError(g.t, g.Store.DeleteDatabase(g.t.Context(), "notes"))
		}, websocket.StatusGoingAway},
	} {
		synctest.Test(t, func(t *testing.T) {
			stop, lease := make(chan struct{}), newFakeLease()
			g := newGate(t, func(c *Config, _ *fakeAuth) { c.Streams = stop })
			g.Handler.take = func(*request) (heldLease, error) { return lease, nil }
			s := newWire(t, g.Handler).open("alice", `{"heartbeat":60000}`)
			require.Equal(t, "[]", s.next())
			var began time.Time
			time.AfterFunc(time.Hour/2+time.Second, func() {
				began = time.Now()
				test.end(g, lease, stop)
			})
			closed, before := s.ended()
			require.Equal(t, test.code, closed.Code, name)
			require.NotEmpty(t, closed.Reason)
			require.Len(t, before, 30, name)
			require.Less(t, time.Since(began), time.Second)
			<-lease.closed
		})
	}
}

// While the options do not come, and when the client does not read, a socket ends likewise.
func TestDecision38_SocketsThatAreStuckEndWithTheirLease(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"no options": "none", "never reads": `{}`} {
		synctest.Test(t, func(t *testing.T) {
			lease := newFakeLease()
			g := newGate(t)
			writeDocs(t, g.db, numbered("document-with-a-longer-name-", 2000)...)
			g.admin.take = func(*request) (heldLease, error) { return lease, nil }
			s, _, err := newWire(t, g.admin).dial("", "/notes/_changes?feed=websocket")
			require.NoError(t, err)
			if options != "none" {
				require.NoError(t, s.ws.Write(t.Context(), websocket.MessageText, []byte(options)))
			}
			time.Sleep(10 * time.Second)
			began := time.Now()
			close(lease.ended)
			<-lease.closed
			require.Less(t, time.Since(began), time.Second, name)
		})
	}
}

// What a hostile client can do costs its own connection.
func TestHostileSockets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		messages []string
		code     websocket.StatusCode
		reason   string
	}{
		"garbage":            {[]string{"garbage"}, websocket.StatusPolicyViolation, "Invalid JSON"},
		"no object":          {[]string{`[1]`}, websocket.StatusPolicyViolation, "The request body must be a JSON object."},
		"deep":               {[]string{strings.Repeat("[", 10_000)}, websocket.StatusPolicyViolation, "Invalid JSON"},
		"huge":               {[]string{`{"x":"` + strings.Repeat("x", 2<<20) + `"}`}, websocket.StatusMessageTooBig, ""},
		"a second message":   {[]string{`{}`, `{}`}, websocket.StatusPolicyViolation, ""},
		"bad sequence":       {[]string{`{"since":"x:y"}`}, websocket.StatusPolicyViolation, "Invalid sequence"},
		"no channels":        {[]string{`{"filter":"sync_gateway/bychannel"}`}, websocket.StatusPolicyViolation, "Missing 'channels'"},
		"content in rows":    {[]string{`{"include_docs":true,"attachments":true}`}, websocket.StatusPolicyViolation, "attachments=true"},
		"unknown filter":     {[]string{`{"filter":"none"}`}, websocket.StatusPolicyViolation, "Unknown filter"},
		"a reason is cut":    {[]string{`{"since":"` + strings.Repeat("ü", 400) + `"}`}, websocket.StatusPolicyViolation, "Invalid sequence"},
		"option of bad type": {[]string{`{"limit":{"a":1}}`}, websocket.StatusPolicyViolation, "limit"},
	} {
		synctest.Test(t, func(t *testing.T) {
			lease := newFakeLease()
			g := newGate(t)
			g.Handler.take = func(*request) (heldLease, error) { return lease, nil }
			s, _, err := newWire(t, g.Handler).dial("alice", "/notes/_changes?feed=websocket")
			require.NoError(t, err)
			go func() {
				for _, message := range test.messages {
					_ = s.ws.Write(context.WithoutCancel(t.Context()), websocket.MessageText, []byte(message))
				}
			}()
			closed, _ := s.ended()
			require.Equal(t, test.code, closed.Code, name)
			require.Contains(t, closed.Reason, test.reason, name)
			<-lease.closed
		})
	}
}

func TestSocketsOfClientsThatGoAwayEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lease := newFakeLease()
		g := newGate(t)
		g.Handler.take = func(*request) (heldLease, error) { return lease, nil }
		s := newWire(t, g.Handler).open("alice", `{}`)
		require.Equal(t, "[]", s.next())
		require.NoError(t, s.ws.CloseNow())
		<-lease.closed
	})
}

func TestSocketsWithoutPatience(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"options that never come": "", "a client that never reads": `{}`} {
		synctest.Test(t, func(t *testing.T) {
			lease := newFakeLease()
			g := newGate(t)
			writeDocs(t, g.db, numbered("document-with-a-longer-name-", 2000)...)
			g.admin.take = func(*request) (heldLease, error) { return lease, nil }
			s, _, err := newWire(t, g.admin).dial("", "/notes/_changes?feed=websocket")
			require.NoError(t, err)
			if options != "" {
				require.NoError(t, s.ws.Write(t.Context(), websocket.MessageText, []byte(options)))
			}
			began := time.Now()
			<-lease.closed
			require.LessOrEqual(t, time.Since(began), socketPatience+time.Second, name)
		})
	}
}

func TestSocketHandshakes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.runAll([]scenario{
		{name: "no upgrade", path: "/notes/_changes?feed=websocket", status: 426, headers: map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"}},
		{
			name: "another version", path: "/notes/_changes?feed=websocket", status: 400, headers: map[string]string{"Sec-WebSocket-Version": "13"},
			header: map[string]string{"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
		},
		{
			name: "no key", path: "/notes/_changes?feed=websocket", status: 400, has: []string{"Sec-WebSocket-Key"},
			header: map[string]string{"Connection": "upgrade", "Upgrade": "WebSocket", "Sec-WebSocket-Version": "13"},
		},
		{name: "POST", method: http.MethodPost, path: "/notes/_changes", body: `{"feed":"websocket"}`, status: 400, has: []string{"opened by GET"}},
		{name: "nobody", path: "/notes/_changes?feed=websocket", header: map[string]string{"Authorization": ""}, status: 401},
		{name: "HEAD", method: http.MethodHead, path: "/notes/_changes?feed=websocket"},
	})
	refusing := newSite(t)
	refusing.Handler.take = func(*request) (heldLease, error) {
		return nil, &auth.Error{Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Session Invalid"}
	}
	w := newWire(t, refusing.Handler)
	_, answer, err := w.dial("alice", "/notes/_changes?feed=websocket")
	require.Error(t, err)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	_, answer, err = w.dial("bad", "/notes/_changes?feed=websocket")
	require.Error(t, err)
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	collection := newSite(t)
	_, answer, err = newWire(t, collection.Handler).dial("alice", "/notes.shop.items/_changes?feed=websocket")
	require.Error(t, err)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
}

func TestDecision12_SocketsOfOtherOrigins(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCORS(CORS{Origins: []string{"https://app.example"}, Credentials: true}), guests)
	w := newWire(t, s.Handler)
	for _, test := range []struct {
		name   string
		who    string
		header []string
		status int
	}{
		{"cookie, from elsewhere", "", []string{"Cookie", "s=alice", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"cookie, from elsewhere, old browser", "", []string{"Cookie", "s=alice", "Origin", "https://evil.example"}, 403},
		{"cookie, from the app", "", []string{"Cookie", "s=alice", "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, 101},
		{"cookie, no browser", "", []string{"Cookie", "s=alice"}, 101},
		{"guest, from elsewhere", "", []string{"Origin", "https://evil.example"}, 403},
		{"bearer", "alice", []string{"Origin", "https://evil.example"}, 101},
	} {
		_, answer, err := w.dial(test.who, "/notes/_changes?feed=websocket", test.header...)
		require.Equal(t, test.status == http.StatusSwitchingProtocols, err == nil, test.name)
		require.Equal(t, test.status, answer.StatusCode, test.name)
	}
}

// A browser closes a WebSocket whose server picks no subprotocol of those that it offered.
func TestSocketSubprotocolBesideAOneTimeToken(t *testing.T) {
	t.Parallel()
	w := newWire(t, newSite(t).Handler)
	_, answer, err := w.dial("alice", "/notes/_changes?feed=websocket", "Sec-WebSocket-Protocol", "SyncGatewaySession_secret,sync-changes")
	require.NoError(t, err)
	require.Equal(t, "sync-changes", answer.Header.Get("Sec-WebSocket-Protocol"))
	_, answer, err = w.dial("alice", "/notes/_changes?feed=websocket")
	require.NoError(t, err)
	require.Empty(t, answer.Header.Get("Sec-WebSocket-Protocol"))
}

// What runs on outlives the request and what it holds.
func TestDecision38_SocketsAreDetached(t *testing.T) {
	t.Parallel()
	detached := make(chan func(context.Context), 1)
	g := newGate(t, func(c *Config, _ *fakeAuth) {
		c.Detach = func(run func(context.Context)) error {
			detached <- run
			return nil
		}
	})
	s, _, err := newWire(t, g.Handler).dial("alice", "/notes/_changes?feed=websocket")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	run := <-detached
	go func() { defer close(over); run(ctx) }()
	require.NoError(t, s.ws.Write(t.Context(), websocket.MessageText, nil))
	require.Equal(t, "[]", s.next())
	cancel()
	<-over

	late := newGate(t, func(c *Config, _ *fakeAuth) {
		c.Detach = func(func(context.Context)) error { return fmt.Errorf("closing") } //nolint:perfsprint // as any
	})
	s, _, err = newWire(t, late.Handler).dial("alice", "/notes/_changes?feed=websocket")
	require.NoError(t, err)
	closed, _ := s.ended()
	require.Equal(t, websocket.StatusTryAgainLater, closed.Code)
}
