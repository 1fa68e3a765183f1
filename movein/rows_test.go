package movein_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/movein"
	"github.com/stretchr/testify/require"
)

// atMost is a source that gives three rows of a list at once, whatever it is asked for.
func atMost(w http.ResponseWriter, r *http.Request) bool {
	if q := r.URL.Query(); q.Get("limit") != "" {
		limit, _ := strconv.Atoi(q.Get("limit"))
		q.Set("limit", strconv.Itoa(min(limit, 3)))
		r.URL.RawQuery = q.Encode()
	}
	return false
}

func TestASourceThatGivesShorterPagesThanAskedForIsMovedInWhole(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 20)
	for i := range 7 {
		from.put(fmt.Sprintf("/_local/s%d", i), `{"theme":"dark"}`)
	}
	from.meddleWith(atMost)
	o, said := to.from(movein.CouchDB, from.url)
	o.NoUsers = true
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
	require.Contains(t, said.String(), "26 documents there")
	require.Contains(t, said.String(), "7 local documents that are no checkpoints are taken over")
	require.Contains(t, to.get("/_local/s6"), "dark")
}

func TestUsersOfShorterPagesAreAllMovedIn(t *testing.T) {
	t.Parallel()
	there := newCouch()
	there.security = `{}`
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		atMost(w, r)
		there.ServeHTTP(w, r)
	}))
	t.Cleanup(source.Close)
	to := newServer(t)
	o, said := to.from(movein.CouchDB, strings.Replace(source.URL, "http://", "http://admin:secret@", 1)+"/notes")
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Equal(t, "[\"alice\",\"bob\",\"carol\",\"dave\",\"erin\"]\n", to.get("/_user/"))
}

func TestLocalDocumentsThatCannotBeListedAreSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		behind int // pages
		want   string
	}{
		"not let in": {http.StatusForbidden, 0, "notes: local documents are NOT taken: the source does not let you list them (GET _local_docs: 403"},
		"no list":    {http.StatusNotFound, 0, "notes: local documents are not taken: the source has no list of them"},
		"later":      {http.StatusForbidden, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := newServer(t), newServer(t)
			from.fill("", 0)
			from.put("/_local/settings", `{"theme":"dark"}`)
			asked := 0
			from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/_local_docs") {
					return false
				}
				if asked++; asked <= c.behind {
					return false
				}
				http.Error(w, `{"error":"no","reason":"no"}`, c.status)
				return true
			})
			o, said := to.from(movein.CouchDB, from.url)
			o.NoUsers = true
			err := movein.Run(t.Context(), o)
			require.Contains(t, said.String(), c.want)
			if c.behind == 0 {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "GET _local_docs: 403", "some of them are here")
			}
		})
	}
}

func TestASourceThatGivesTheSameRowsAgainEndsTheMove(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/_local_docs") {
			return false
		}
		fmt.Fprint(w, `{"rows":[{"id":"_local/a","doc":{}},{"id":"_local/b","doc":{}}]}`)
		return true
	})
	o, _ := to.from(movein.CouchDB, from.url)
	o.NoUsers = true
	require.ErrorContains(t, movein.Run(t.Context(), o), "the source gives the same rows of _local_docs again and again")
}
