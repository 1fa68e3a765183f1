package peer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// sites are a centre and two edges, which pull from it and push to it while all of them are written to, their
// requests fail and the replications are ended and begun again.
type sites struct {
	t       *testing.T
	rng     *rand.Rand
	servers []*server // the centre first
	running map[string]func()
	healthy atomic.Bool
	gone    atomic.Int64 // requests for which there is no database any more
	n       int
	log     []string
}

func newSites(t *testing.T, seed uint64) *sites {
	t.Helper()
	s := &sites{t: t, rng: rand.New(rand.NewPCG(seed, 3)), running: map[string]func(){}}
	for i := range 3 {
		s.servers = append(s.servers, newServer(t))
		s.servers[i].meddleWith(s.fail)
	}
	return s
}

// fail fails some requests.
func (s *sites) fail(w http.ResponseWriter, _ *http.Request) bool {
	if s.healthy.Load() {
		return false
	}
	if rand.IntN(400) == 0 { // not more often, or three moments like that cost a document, which is given up then
		s.gone.Store(rand.Int64N(12))
	}
	if s.gone.Add(-1) >= 0 {
		http.Error(w, `{"error":"not_found","reason":"no_db_file"}`, http.StatusNotFound)
		return true
	}
	switch rand.IntN(25) {
	case 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 1:
		panic(http.ErrAbortHandler)
	case 2:
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"results":[`))
	default:
		return false
	}
	return true
}

// Evaluate implements syncstore.Evaluator: it refuses some of what comes from elsewhere.
func (s *sites) Evaluate(_ context.Context, write syncstore.Evaluation) (o syncstore.Outcome, err error) {
	if write.Replicated && !s.healthy.Load() && rand.IntN(10) == 0 {
		return o, fmt.Errorf("%w: for now", syncstore.ErrRejected)
	}
	return o, nil
}

func (s *sites) note(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *sites) name(i int) string { return []string{"centre", "edge 1", "edge 2"}[i] }

// toggle begins or ends a replication of an edge.
func (s *sites) toggle(edge int, direction peer.Direction) {
	key := fmt.Sprint(direction, edge)
	if stop := s.running[key]; stop != nil {
		s.note("%s ends its %s", s.name(edge), direction)
		stop()
		delete(s.running, key)
		return
	}
	s.note("%s begins its %s", s.name(edge), direction)
	o := s.servers[edge].to(direction, s.servers[0].admin)
	o.Batch = 1 + s.rng.IntN(5)
	_, stop := start(s.t, o)
	s.running[key] = stop
}

// channel is a channel of a document. Nobody ever has the last one.
func (s *sites) channel() string { return []string{"a", "b", "c", "never", "never"}[s.rng.IntN(5)] }

// write writes at a site.
func (s *sites) write(site int) {
	server := s.servers[site]
	collection := server.db.Default()
	s.n++
	e := syncstore.Edit{
		ID: string("abcdef"[s.rng.IntN(6)]), Deleted: s.rng.IntN(5) == 0,
		Body: fmt.Appendf(nil, `{"n":%d,"channels":[%q,%q]}`, s.n, s.channel(), s.channel()),
	}
	results, err := collection.GetRevs(s.t.Context(), e.ID, nil, syncstore.GetOptions{History: true})
	if err == nil {
		on := results[s.rng.IntN(len(results))].Doc
		e.Parent = on.Rev
		if s.rng.IntN(3) == 0 { // a branch
			past := on.History[s.rng.IntN(len(on.History)):]
			e.Parent, e.History = syncstore.Rev{}, append([]syncstore.Rev{{Gen: past[0].Gen + 1, Digest: fmt.Sprintf("%032x", s.n)}}, past...)
		}
		for _, a := range on.Attachments {
			if s.rng.IntN(3) > 0 {
				e.Attachments = append(e.Attachments, syncstore.AttachmentEdit{Name: a.Name, Stub: true})
			}
		}
	}
	if s.rng.IntN(3) == 0 {
		name := string("xy"[s.rng.IntN(2)])
		e.Attachments = slices.DeleteFunc(e.Attachments, func(a syncstore.AttachmentEdit) bool { return a.Name == name })
		upload := server.db.NewUpload(s.t.Context())
		text := strings.Repeat(fmt.Sprint("content ", s.rng.IntN(4)), 1+s.rng.IntN(2)*20_000)
		_, err := upload.Write([]byte(text))
		require.NoError(s.t, err)
		content, err := upload.Commit(s.t.Context())
		require.NoError(s.t, err)
		e.Attachments = append(e.Attachments, syncstore.AttachmentEdit{Name: name, ContentType: "text/plain", Content: content})
	}
	w := collection.Write(s.t.Context(), []syncstore.Edit{e}, syncstore.WriteOptions{})[0]
	s.note("%s writes %s %s of %s: %v", s.name(site), e.ID, w.Rev, e.Parent, w.Err)
	if w.Err != nil && !errors.Is(w.Err, syncstore.ErrRejected) {
		require.ErrorIs(s.t, w.Err, syncstore.ErrConflict) // by what was replicated just then
	}
}

func (s *sites) step() {
	switch n := s.rng.IntN(10); {
	case n < 7:
		s.write(s.rng.IntN(3))
	case n == 7:
		s.toggle(1+s.rng.IntN(2), []peer.Direction{peer.Pull, peer.Push}[s.rng.IntN(2)])
	default:
		time.Sleep(time.Duration(s.rng.IntN(20)) * time.Millisecond)
	}
}

// settle has everything replicated, until nothing is left to be.
func (s *sites) settle() {
	for _, stop := range s.running {
		stop()
	}
	s.healthy.Store(true)
	for range 2 {
		for _, direction := range []peer.Direction{peer.Push, peer.Pull} {
			for _, edge := range s.servers[1:] {
				_, status := run(s.t, edge.to(direction, s.servers[0].admin))
				require.Zero(s.t, status.Failures, strings.Join(s.log, "\n"))
			}
		}
	}
}

// play plays as many histories as HISTORIES says.
func play(t *testing.T, usual int, history func(*sites)) {
	t.Helper()
	for seed := range histories.Count(usual) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			history(newSites(t, seed))
		})
	}
}

// Whatever is written where, and whatever breaks meanwhile: in the end all have the same, all branches of it.
// HISTORIES says how many histories are played.
func TestSitesAgreeInTheEnd(t *testing.T) {
	t.Parallel()
	play(t, 3, func(s *sites) {
		for _, server := range s.servers {
			server.db.Default().SetPolicy(syncstore.Policy{Evaluator: s, Version: "1"})
		}
		for range 120 {
			s.step()
		}
		s.settle()
		want := s.servers[0].content()
		require.NotEmpty(s.t, want)
		for i, server := range s.servers[1:] {
			if has := server.content(); has != want {
				require.Equal(s.t, want, has, "%s\n%s", s.name(i+1), strings.Join(s.log, "\n"))
			}
		}
	})
}

// winner is the revision of the centre that wins, deleted or not.
func (s *sites) winner(id string) string {
	results, err := s.servers[0].db.Default().GetRevs(s.t.Context(), id, nil, syncstore.GetOptions{})
	require.NoError(s.t, err)
	return results[0].Rev.String()
}

// asAlice is a pull of a site from the centre with a user's rights.
func (s *sites) asAlice(edge *server) peer.Options {
	o := edge.to(peer.Pull, s.servers[0].public)
	o.Remote.Credentials = &peer.Credentials{Kind: peer.Basic, Name: "alice", Secret: "correct horse"}
	o.Batch = 1 + s.rng.IntN(5)
	return o
}

// give gives alice some channels, and takes the others.
func (s *sites) give() {
	channels := []string{}
	for _, name := range []string{"a", "b", "c"} {
		if s.rng.IntN(2) == 0 {
			channels = append(channels, name)
		}
	}
	s.note("alice has %v", channels)
	given, err := json.Marshal(map[string]any{"admin_channels": channels})
	require.NoError(s.t, err)
	s.user(string(given))
}

// user changes alice, though requests fail.
func (s *sites) user(change string) {
	for {
		if status, _, err := s.servers[0].try(http.MethodPut, "/_user/alice", change); err == nil && status/100 == 2 {
			return
		}
	}
}

// Whatever a user gets and loses while a site pulls with the user's rights: in the end the site has what the user
// sees, and it never got what the user could not see. HISTORIES says how many histories are played.
func TestASiteThatPullsAsAUserHasWhatTheUserSees(t *testing.T) {
	t.Parallel()
	play(t, 3, func(s *sites) {
		s.servers[0].db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
		s.user(`{"password":"correct horse"}`)
		s.give()
		var stop func()
		for range 150 {
			switch n := s.rng.IntN(12); {
			case n < 8:
				s.write(0)
			case n == 8:
				s.give()
			case n == 9 && stop == nil:
				s.note("the edge begins its pull")
				_, stop = start(s.t, s.asAlice(s.servers[1]))
			case n == 9:
				s.note("the edge ends its pull")
				stop()
				stop = nil
			default:
				time.Sleep(time.Duration(s.rng.IntN(20)) * time.Millisecond)
			}
		}
		if stop != nil {
			stop()
		}
		s.healthy.Store(true)
		for _, edge := range s.servers[1:] { // the other one pulls for the first time
			_, status := run(s.t, s.asAlice(edge))
			require.Zero(s.t, status.Failures, strings.Join(s.log, "\n"))
		}
		has, fresh := s.servers[1].content()+"\n", s.servers[2].content()
		for line := range strings.Lines(fresh) {
			// Of the branches that lose, a feed tells with their document: by its winner's channels.
			if id, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, s.winner(id)+" ") {
				require.Contains(s.t, has, strings.TrimSuffix(line, "\n")+"\n", strings.Join(s.log, "\n"))
			}
		}
		require.NotContains(s.t, has, `"channels":["never","never"]`)
	})
}
