package rest

import (
	"net/http"
	"testing"
)

// C.5: what Couchbase Lite 1 does depends on the name of the server.
func TestCouchbaseLite1FindsSyncGateway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for agent, server := range map[string]string{
		"CouchbaseLite/1.3 (Java Android/7.0 1.4.4/abc)": lite1Server, "CouchbaseLite/1.2 (iOS 1.2.1)": lite1Server,
		"CouchbaseLite/2.8.4 (Swift; iOS 14)": "", "CouchbaseLite/10.0": "", "Mozilla/5.0": "", "PouchDB": "",
	} {
		for path, status := range map[string]int{"/notes/": 200, "/notes/_local/none": 404, "/notes/_changes": 200} {
			s.run(scenario{name: agent, path: path, status: status, header: map[string]string{"User-Agent": agent}, headers: map[string]string{"Server": server}})
		}
		s.run(scenario{
			name: "also when it is refused", path: "/notes/_local/none", status: 401,
			header: map[string]string{"User-Agent": agent, "Authorization": ""}, headers: map[string]string{"Server": server},
		})
	}
}

func TestSignInsThatSyncGatewayHadAreMissingToAnybody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"_facebook", "_google", "_persona"} {
		for _, who := range []string{"", "Bearer alice"} {
			header := map[string]string{"Authorization": who}
			s.run(scenario{method: http.MethodPost, path: "/notes/" + name, body: `{"access_token":"x"}`, header: header, status: 404, has: []string{"OpenID Connect"}})
			s.run(scenario{method: http.MethodPost, path: "/none/" + name, body: `{}`, header: header, status: 418})
		}
	}
	all := newSite(t, allDatabases)
	all.run(scenario{name: "names do not leak", method: http.MethodPost, path: "/none/_facebook", body: `{}`, status: 401})
}
