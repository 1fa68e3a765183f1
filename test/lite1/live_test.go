package lite1

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A continuous pull follows, by longpoll or by WebSocket.
func TestContinuousPullFollows(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		s.put("before", `{"channels":["alice"]}`)
		d := NewDevice(t, e)
		d.Start(s.as("alice")).AwaitIdle(1)
		require.NotEmpty(t, d.Body("before"))
		s.put("after", `{"channels":["alice"]}`)
		s.put("not hers", `{"channels":["bob"]}`)
		d.Await("what comes", func() bool { return d.Body("after") != "" })
		s.give("alice", "alice", "bob")
		d.Await("what was there when she got the channel", func() bool { return d.Body("not hers") != "" })
	})
}

// Two devices that push and pull all the time hold the same at the end.
func TestContinuousBothWays(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		one, two := NewDevice(t, e), NewDevice(t, Java)
		for _, d := range []*Device{one, two} {
			d.Start(s.push("alice")).AwaitIdle(1)
			d.Start(s.as("alice")).AwaitIdle(1)
		}
		one.Put("of one", `{"channels":["alice"]}`)
		two.Put("of two", `{"channels":["alice"]}`)
		one.Await("two's", func() bool { return one.Body("of two") != "" })
		two.Await("one's", func() bool { return two.Body("of one") != "" })
		one.Attach("of two", "a", "text/plain", "content", false)
		two.Await("the attachment", func() bool {
			return len(two.Holds()["of two"]) == 1 && two.Holds()["of two"][0] == one.Holds()["of two"][0]
		})
		two.Delete("of one")
		one.Await("the deletion", func() bool { return one.Body("of one") == "" })
		require.Equal(t, one.Holds(), two.Holds())
	})
}

// After a stop the checkpoint is where it goes on, also in the middle of what a grant gave.
func TestContinuousPullResumes(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		for _, id := range []string{"a", "b", "c"} {
			s.put(id, `{"channels":["later"]}`)
		}
		d := NewDevice(t, e)
		pull := d.Start(s.as("alice"))
		pull.AwaitIdle(1)
		s.give("alice", "alice", "later")
		d.Await("what the grant gave", func() bool { return len(d.Holds()) == 3 })
		pull.Stop()
		s.put("d", `{"channels":["alice"]}`)
		d.Requests()
		d.Start(s.as("alice")).AwaitIdle(1)
		require.Len(t, d.Holds(), 4)
		require.NotContains(t, d.Requests(), "POST /notes/_bulk_get?attachments=true&revs=true", "what it has it does not read again")
	})
}

// A session that ends ends the feed, the client comes back and learns why.
func TestEndedSessionIsA401AndSignsInAgain(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		s.give("carol", "carol")
		d := NewDevice(t, e)
		c := Config{URL: s.url, Login: s.idp.login("carol")}
		pull := d.Start(c)
		pull.AwaitIdle(1)
		require.Equal(t, []string{"GET /notes/_session", "GET /notes/_oidc_challenge?offline=true", "GET /notes/_oidc_callback?code=…&state=…"}, d.Requests()[:3])
		s.do(http.MethodDelete, "_user/carol/_session", "")
		err := pull.AwaitError()
		require.Equal(t, http.StatusUnauthorized, StatusOf(err), err)
		s.put("meanwhile", `{"channels":["carol"]}`)
		d.Requests()
		d.Start(c).AwaitIdle(1)
		require.NotEmpty(t, d.Body("meanwhile"))
		require.Equal(t, []string{
			"GET /notes/_session", "GET /notes/_oidc_refresh?refresh_token=…", "GET /notes/_oidc_challenge?offline=true", "GET /notes/_oidc_callback?code=…&state=…",
		}, d.Requests()[:4], "its refresh token is refused in a URL, and it signs in anew")
	})
}

// Whoever signs out has no feed any more, and no session.
func TestSignOutEndsTheFeed(t *testing.T) {
	t.Parallel()
	eachEdition(t, func(s *site, e Edition) {
		t := s.t
		d := NewDevice(t, e)
		c := Config{URL: s.url, Login: s.idp.login("carol")}
		pull := d.Start(c)
		pull.AwaitIdle(1)
		d.SignOut(c)
		require.Equal(t, http.StatusUnauthorized, StatusOf(pull.AwaitError()))
		require.Equal(t, http.StatusUnauthorized, StatusOf(d.TrySync(Config{URL: s.url})))
	})
}
