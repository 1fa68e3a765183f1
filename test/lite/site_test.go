package lite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	server "github.com/caddysync/caddy-sync/replication/lite"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// site is a server with one database in memory, served in process.
type site struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // of the test
	store *syncstore.Store
	db    *syncstore.Database
	url   string
	// noDefault hides the default collection.
	noDefault bool
	deltas    bool

	running sync.WaitGroup
	mu      sync.Mutex
	stop    chan struct{}
	users   map[string]string
	// versions are those of the documents that documents read.
	versions map[string]string
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

// newSite makes a site with the users alice, who may see everything, and bob.
func newSite(t *testing.T, configure ...func(*site)) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{t: t, ctx: ctx, stop: make(chan struct{}), versions: make(map[string]string), users: map[string]string{"alice": "pass", "bob": "pass"}}
	for _, c := range configure {
		c(s)
	}
	e := memory.New()
	var err error
	s.store, err = syncstore.Open(ctx, e, syncstore.Options{})
	require.NoError(t, err)
	s.db, err = s.store.CreateDatabase(ctx, "db")
	require.NoError(t, err)
	httpd := httptest.NewServer(s.handler())
	s.url = strings.Replace(httpd.URL, "http://", "ws://", 1) + "/db"
	t.Cleanup(func() {
		cancel()
		s.running.Wait()
		httpd.Close()
		require.NoError(t, s.store.Close())
		require.NoError(t, e.Close())
	})
	return s
}

func (s *site) handler() http.Handler {
	replications := server.New(server.Config{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		s.mu.Lock()
		known, ok := s.users[name]
		stop := s.stop
		s.mu.Unlock()
		if !ok || known != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="db"`)
			refuse(w, http.StatusUnauthorized, "Name or password is incorrect.")
			return
		}
		accepted, err := replications.Accept(w, r, server.Peer{
			Database: s.db, Collection: s.collectionOf, Viewer: &syncstore.Viewer{Name: name}, Stop: stop, NoDeltas: !s.deltas,
		})
		if refused, ok := err.(*server.HandshakeError); ok { //nolint:errorlint // as it is
			refuse(w, refused.Status, refused.Reason)
			return
		}
		if err == nil {
			s.running.Go(func() { accepted.Run(s.ctx) })
		}
	})
}

func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": "refused", "reason": reason})
}

func (s *site) collectionOf(scope, name string) (*syncstore.Collection, bool) {
	if s.noDefault && scope == DefaultCollection && name == DefaultCollection {
		return nil, false
	}
	return s.db.Collection(scope, name)
}

// restart ends all replications, as a new configuration does.
func (s *site) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.stop)
	s.stop = make(chan struct{})
}

// as are the credentials of a user.
func as(user string) http.Header {
	r := &http.Request{Header: make(http.Header)}
	r.SetBasicAuth(user, "pass")
	return r.Header
}

// both is a one-shot replication in both directions, as alice.
func (s *site) both() Config { return Config{URL: s.url, Push: true, Pull: true, Header: as("alice")} }

// pushOnly and pullOnly are the one direction of it.
func (s *site) pushOnly() Config { return Config{URL: s.url, Push: true, Header: as("alice")} }
func (s *site) pullOnly() Config { return Config{URL: s.url, Pull: true, Header: as("alice")} }

// controlled turns the policy on, by which documents name their channels.
func (s *site) controlled() *site {
	s.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}})
	s.give("alice", "*")
	return s
}

// give sets the channels of a user.
func (s *site) give(user string, channels ...string) {
	s.t.Helper()
	given := []syncstore.Given{}
	for _, channel := range channels {
		given = append(given, syncstore.Given{Channel: channel})
	}
	require.NoError(s.t, s.store.Records().Update(s.ctx, func(tx syncstore.RecordTx) error {
		tx.SetGrants(s.db.ID(), user, syncstore.GrantedByAdmin, given)
		return nil
	}))
}

// put writes a document as an administrator, on top of what is there.
func (s *site) put(id, body string, attachments ...syncstore.AttachmentEdit) syncstore.Rev {
	s.t.Helper()
	edit := syncstore.Edit{ID: id, Body: []byte(body), Attachments: attachments}
	if current, err := s.db.Default().Get(s.ctx, id, syncstore.GetOptions{}); err == nil && !current.Deleted {
		edit.Parent = current.Rev
	}
	result := s.db.Default().Write(s.ctx, []syncstore.Edit{edit}, syncstore.WriteOptions{})[0]
	require.NoError(s.t, result.Err)
	return result.Rev
}

// remove deletes a document as an administrator.
func (s *site) remove(id string) {
	s.t.Helper()
	current, err := s.db.Default().Get(s.ctx, id, syncstore.GetOptions{})
	require.NoError(s.t, err)
	result := s.db.Default().Write(s.ctx, []syncstore.Edit{{ID: id, Parent: current.Rev, Deleted: true}}, syncstore.WriteOptions{})[0]
	require.NoError(s.t, result.Err)
}

// attach stores content, to be attached by an edit.
func (s *site) attach(name, contentType, content string) syncstore.AttachmentEdit {
	s.t.Helper()
	upload := s.db.NewUpload(s.ctx)
	_, err := io.WriteString(upload, content)
	require.NoError(s.t, err)
	stored, err := upload.Commit(s.ctx)
	require.NoError(s.t, err)
	return syncstore.AttachmentEdit{Name: name, ContentType: contentType, Content: stored}
}

// documents are the winners of a collection, as a device would have them.
func (s *site) documents(c *syncstore.Collection) map[string]Document {
	s.t.Helper()
	revs := make(map[string]syncstore.Rev)
	_, err := c.Changes(s.ctx, syncstore.ChangesOptions{}, func(change *syncstore.Change) error {
		rev, err := syncstore.ParseRev(string(change.Leaves[0].Rev))
		revs[string(change.ID)] = rev
		return err
	})
	require.NoError(s.t, err)
	all := make(map[string]Document)
	for id, rev := range revs {
		doc, err := c.Get(s.ctx, id, syncstore.GetOptions{Rev: rev})
		require.NoError(s.t, err, id)
		all[id] = asOnDevice(s.t, doc)
		s.versions[id] = doc.Version.String()
	}
	return all
}

func asOnDevice(t *testing.T, doc *syncstore.Document) Document {
	t.Helper()
	o, err := decodeObject(doc.Body)
	require.NoError(t, err)
	d := Document{ID: doc.ID, Rev: doc.Rev.String(), Deleted: doc.Deleted, Body: string(encode(o)), Attachments: map[string]string{}}
	for _, a := range doc.Attachments {
		d.Attachments[a.Name] = a.Content.SHA1Digest()
	}
	return d
}

// requireSame requires that a device and the server hold the same documents: bodies,
// attachments, tombstones, and revisions as the version of the device names them.
func (s *site) requireSame(d *Device, collection ...string) {
	s.t.Helper()
	differences := s.differences(d, collection...)
	require.Empty(s.t, differences, strings.Join(differences, "\n"))
}

// differences are what a device holds that the server does not, and the other way round.
func (s *site) differences(d *Device, collection ...string) []string {
	s.t.Helper()
	name := DefaultCollection
	if len(collection) > 0 {
		name = collection[0]
	}
	scope, plain, dotted := strings.Cut(name, ".")
	if !dotted {
		scope, plain = DefaultCollection, name
	}
	c, ok := s.db.Collection(scope, plain)
	require.True(s.t, ok)
	want, got := s.documents(c), d.Collection(name).All()
	for id, doc := range want {
		have, ok := got[id]
		if !ok && doc.Deleted {
			delete(want, id) // a device need not have heard of what was deleted
			continue
		}
		if d.version.vectors() {
			doc.Rev = s.versions[id]
			want[id] = doc
		}
		if have.Deleted && doc.Deleted { // what was in it does not matter
			have.Body, have.Attachments = doc.Body, doc.Attachments
			got[id] = have
		}
	}
	return compareDocuments(d.version.String()+" device", want, got)
}

// compareDocuments compares what the server has with what somebody else has.
func compareDocuments(who string, want, got map[string]Document) (differences []string) {
	for id, doc := range want {
		if have, ok := got[id]; !ok {
			differences = append(differences, fmt.Sprintf("%s: the server has %+v, the %s nothing", id, doc, who))
		} else if !reflect.DeepEqual(doc, have) {
			differences = append(differences, fmt.Sprintf("%s: the server has %+v,\n\tthe %s %+v", id, doc, who, have))
		}
	}
	for id, doc := range got {
		if _, ok := want[id]; !ok {
			differences = append(differences, fmt.Sprintf("%s: the server has nothing, the %s %+v", id, who, doc))
		}
	}
	slices.Sort(differences)
	return differences
}
