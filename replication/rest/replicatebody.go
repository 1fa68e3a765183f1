package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// replicateBody is the body of _replicate, with CouchDB's members.
type replicateBody struct {
	Source       side              `json:"source"`
	Target       side              `json:"target"`
	Continuous   bool              `json:"continuous"`
	Cancel       bool              `json:"cancel"`
	CreateTarget bool              `json:"create_target"`
	DocIDs       []string          `json:"doc_ids"`
	Filter       string            `json:"filter"`
	QueryParams  map[string]string `json:"query_params"`
	Channels     []string          `json:"channels"`
	Selector     json.RawMessage   `json:"selector"`
	// ID and LocalID name a replication to cancel.
	ID      string `json:"replication_id"`
	LocalID string `json:"_local_id"`
	// BatchSize is how many changes are looked at at once.
	BatchSize int `json:"worker_batch_size"`
	// How CouchDB's workers divide the work: taken, and of no meaning here.
	WorkerProcesses    json.RawMessage `json:"worker_processes"`
	HTTPConnections    json.RawMessage `json:"http_connections"`
	ConnectionTimeout  json.RawMessage `json:"connection_timeout"`
	Retries            json.RawMessage `json:"retries_per_request"`
	SocketOptions      json.RawMessage `json:"socket_options"`
	CheckpointInterval json.RawMessage `json:"checkpoint_interval"`
	UseBulkGet         json.RawMessage `json:"use_bulk_get"`
}

// id is how a replication to cancel is named, without what CouchDB puts behind it.
func (b *replicateBody) id() string {
	id := b.ID
	if id == "" {
		id = b.LocalID
	}
	id, _, _ = strings.Cut(id, "+")
	return id
}

// side is a source or a target: a name or a URL, or an object with a URL.
type side struct {
	url  string
	auth struct {
		Basic *struct {
			Username string `json:"username"`
			Password string `json:"password"`
		} `json:"basic"`
		Bearer string `json:"bearer"`
	}
	headers map[string]string
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *side) UnmarshalJSON(text []byte) error {
	switch {
	case text[0] == '"':
		return json.Unmarshal(text, &s.url)
	case text[0] != '{' && string(text) != "null":
		return jsondoc.MemberError(`source and target are each the name or the URL of a database, or {"url":"…"}`)
	}
	var object struct {
		URL     *string            `json:"url"`
		Headers *map[string]string `json:"headers"`
		Auth    any                `json:"auth"`
	}
	object.URL, object.Headers, object.Auth = &s.url, &s.headers, &s.auth
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(&object)
}

// remote reports whether it is on another server.
func (s *side) remote() bool { return strings.Contains(s.url, "://") }

// readReplicate reads the body. Members that are not known are refused: they might limit what
// is replicated.
func (h *Handler) readReplicate(rq *request) (*replicateBody, error) {
	read, err := h.readBody(rq, maxReplicateBody)
	if err != nil {
		return nil, err
	}
	defer read.free()
	decoder := json.NewDecoder(bytes.NewReader(read.text))
	decoder.DisallowUnknownFields()
	wish := new(replicateBody)
	if err := decoder.Decode(wish); err != nil {
		if wrong, ok := errors.AsType[jsondoc.MemberError](jsondoc.Explain(err)); ok {
			return nil, badRequest("The body is not as it must be: " + string(wrong) + ".")
		}
		return nil, badRequest(`The body must be like {"source":"notes","target":"https://example.com/notes"}.`)
	}
	wish.Selector = bytes.Clone(wish.Selector)
	return wish, nil
}

// replicationOptions are what the replicator does for a body.
func (h *Handler) replicationOptions(rq *request, wish *replicateBody) (o peer.Options, local auth.Database, err error) {
	if err := wish.check(); err != nil {
		return o, local, err
	}
	here, there := &wish.Source, &wish.Target
	o = peer.Options{
		Direction: peer.Push, Continuous: wish.Continuous, DocIDs: wish.DocIDs, Channels: wish.Channels,
		Selector: wish.Selector, Batch: min(wish.BatchSize, 1000), Logger: h.Logger.Named("replication"),
	}
	if wish.Source.remote() {
		o.Direction, here, there = peer.Pull, there, here
	}
	if len(o.Selector) == 0 || string(o.Selector) == "null" {
		o.Selector = nil
	}
	if o.Selector != nil && o.Direction == peer.Push {
		return o, local, notImplemented("A selector limits what is pulled. What is pushed is limited by channels or doc_ids.")
	}
	if err := wish.channels(&o); err != nil {
		return o, local, err
	}
	if o.Remote, err = there.address(); err != nil {
		return o, local, err
	}
	if o.Keyspace, local, err = h.localKeyspace(rq, here.url, wish.CreateTarget && !wish.Cancel && o.Direction == peer.Pull); err != nil {
		return o, local, err
	}
	o.CreateTarget = wish.CreateTarget && o.Direction == peer.Push
	o.Open = h.localSide(o.Keyspace)
	limits := h.Database(local.Name).Limits.withDefaults()
	o.MaxDocument, o.MaxAttachment = limits.Document, limits.Attachment
	return o, local, nil
}

// check refuses what cannot be done.
func (b *replicateBody) check() error {
	switch {
	case b.Source.url == "" || b.Target.url == "":
		return badRequest("source and target are needed: one the name of a database here, the other the URL of one elsewhere.")
	case b.Source.remote() && b.Target.remote():
		return notImplemented("One of source and target must be a database of this server: let one of the others replicate, or replicate twice.")
	case !b.Source.remote() && !b.Target.remote():
		return notImplemented("One of source and target must be the URL of a database elsewhere; databases of this server are not replicated with one another.")
	case b.BatchSize < 0:
		return badRequest("worker_batch_size must be above 0.")
	}
	ways := 0
	for _, used := range []bool{len(b.DocIDs) > 0, b.Filter != "" || len(b.Channels) > 0, len(b.Selector) > 0 && string(b.Selector) != "null"} {
		if used {
			ways++
		}
	}
	if ways > 1 {
		return badRequest("doc_ids, channels and selector exclude one another.")
	}
	return nil
}

// channels takes Sync Gateway's filter: its channels are in a list, or in query_params.
func (b *replicateBody) channels(o *peer.Options) error {
	if list := b.QueryParams["channels"]; list != "" {
		o.Channels = append(o.Channels, strings.Split(list, ",")...)
		delete(b.QueryParams, "channels")
	}
	switch {
	case b.Filter != "" && b.Filter != "sync_gateway/bychannel":
		return notImplemented("The filter must be sync_gateway/bychannel; use doc_ids, channels or a selector in place of others.")
	case len(b.QueryParams) > 0:
		return notImplemented("query_params has what no filter here takes.")
	case b.Filter != "" && len(o.Channels) == 0:
		return badRequest("The filter sync_gateway/bychannel needs channels.")
	case slices.ContainsFunc(o.Channels, func(c string) bool { return c == "" || strings.Contains(c, ",") }):
		return badRequest("A channel has a name, without a comma.")
	}
	return nil
}

// localKeyspace finds the side that is here, or makes it.
func (h *Handler) localKeyspace(rq *request, name string, create bool) (string, auth.Database, error) {
	name, err := url.PathUnescape(strings.Trim(name, "/"))
	if err != nil {
		return "", auth.Database{}, errNoDatabaseFile
	}
	dbName, ok := h.mountedKeyspace(name)
	if !ok {
		return "", auth.Database{}, errNoDatabaseFile
	}
	db, err := h.Store.Database(dbName)
	if create && errors.Is(err, syncstore.ErrNoDatabase) && dbName == name {
		if err := h.makeDatabase(rq, name); err != nil && !errors.Is(err, syncstore.ErrDatabaseExists) {
			return "", auth.Database{}, err
		}
		db, err = h.Store.Database(dbName)
	}
	if err != nil {
		return "", auth.Database{}, err
	}
	return name, auth.Database{Name: dbName, ID: db.ID()}, nil
}

// address is the side that is elsewhere, with its credentials.
func (s *side) address() (peer.Remote, error) {
	u, credentials, err := peer.ParseURL(s.url)
	if err != nil {
		return peer.Remote{}, badRequest(err.Error() + ".")
	}
	r := peer.Remote{URL: u, Credentials: credentials, Header: make(map[string]string)}
	switch {
	case s.auth.Basic != nil:
		r.Credentials = &peer.Credentials{Kind: peer.Basic, Name: s.auth.Basic.Username, Secret: s.auth.Basic.Password}
	case s.auth.Bearer != "":
		r.Credentials = &peer.Credentials{Kind: peer.Bearer, Secret: s.auth.Bearer}
	}
	for name, value := range s.headers {
		name = http.CanonicalHeaderKey(name)
		if !sendable(name, value) {
			return r, badRequest("headers has one that cannot be sent.")
		}
		if name != "Authorization" {
			r.Header[name] = value
			continue
		}
		if r.Credentials = peer.ParseAuthorization(value); r.Credentials == nil {
			return r, badRequest("The header Authorization must be Basic or Bearer.")
		}
	}
	return r, nil
}

// sendable reports whether a header may be set: those that belong to the connection may not.
func sendable(name, value string) bool {
	switch name {
	case "Host", "Connection", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Te", "Trailer", "Upgrade",
		"Accept", "Accept-Encoding", "Proxy-Authorization", "Keep-Alive", "Expect", "":
		return false
	}
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c) }
	return !strings.ContainsFunc(name, odd) && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f })
}
