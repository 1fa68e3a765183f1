package caddysync

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Replication is a replication of a database with one of another server, by CouchDB's
// protocol. It begins when the configuration has started, and goes on after a reload where it
// was.
type Replication struct {
	// The URL of the database that is pulled from. Either this or to.
	From string `json:"from,omitempty"`

	// The URL of the database that is pushed to.
	To string `json:"to,omitempty"`

	// Whether it goes on with what changes, when everything is replicated. Default: false,
	// once after each start and reload.
	Continuous bool `json:"continuous,omitempty"`

	// The channels whose documents are replicated; the other server must know the filter
	// sync_gateway/bychannel to be pulled from. Default: all documents.
	Channels []string `json:"channels,omitempty"`

	// A token that is sent with each request: {env.NAME} or {file.PATH}. It is read again when
	// the replication goes on after a failure.
	Bearer string `json:"bearer,omitempty"`

	// A name and a password that are sent with each request. One of bearer, basic and cookie at
	// most. Default: none.
	Basic *ReplicationLogin `json:"basic,omitempty"`

	// A name and a password that are traded for a session's cookie at _session.
	Cookie *ReplicationLogin `json:"cookie,omitempty"`

	// The user as whom documents are read and written here. Default: as an administrator.
	User string `json:"user,omitempty"`

	// How often the other server says that it lives while nothing changes. Default: 30s.
	Heartbeat caddy.Duration `json:"heartbeat,omitempty"`

	// How many changes are looked at at once. Default: 200.
	Batch int `json:"batch,omitempty"`
}

// ReplicationLogin is who signs in at the other server.
type ReplicationLogin struct {
	// The user's name there. Required.
	Name string `json:"name"`

	// The password: {env.NAME} or {file.PATH}. Required.
	Password string `json:"password"`
}

// maxBatch is the largest batch.
const maxBatch = 1000

var replicationName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

var errTwoLogins = errors.New("bearer, basic and cookie exclude one another")

// check refuses a replication that cannot be. It reads no secret.
func (r *Replication) check() error {
	if (r.From == "") == (r.To == "") {
		return errors.New("write from or to, and a URL")
	}
	if err := checkLiteral("the URL", r.From+r.To); err != nil {
		return err
	}
	_, inURL, err := peer.ParseURL(r.From + r.To)
	if err != nil {
		return err
	}
	if inURL != nil {
		return fmt.Errorf("the URL has credentials in it: write basic or cookie; %w", ErrLiteralSecret)
	}
	secrets := 0
	for _, given := range []bool{r.Bearer != "", r.Basic != nil, r.Cookie != nil} {
		if given {
			secrets++
		}
	}
	if secrets > 1 {
		return errTwoLogins
	}
	if err := checkSecret("bearer", r.Bearer); err != nil {
		return err
	}
	for word, login := range map[string]*ReplicationLogin{"basic": r.Basic, "cookie": r.Cookie} {
		if login == nil {
			continue
		}
		if login.Name == "" || login.Password == "" {
			return fmt.Errorf("%s: a name and a password are needed", word)
		}
		if err := checkLiteral(word+": name", login.Name); err != nil {
			return err
		}
		if err := checkSecret(word, login.Password); err != nil {
			return err
		}
	}
	if err := checkLiteral("user", r.User); err != nil {
		return err
	}
	if err := checkLiteral("channels", r.Channels...); err != nil {
		return err
	}
	for _, channel := range r.Channels {
		if channel == "" || strings.Contains(channel, ",") {
			return fmt.Errorf("channel %q: a name has no comma", channel)
		}
	}
	if r.Batch < 0 || r.Batch > maxBatch {
		return fmt.Errorf("batch is 1 to %d", maxBatch)
	}
	if r.Heartbeat != 0 && time.Duration(r.Heartbeat) < time.Second {
		return errors.New("heartbeat is under 1s")
	}
	return nil
}

// checkReplications refuses what cannot be, and secrets that are not there.
func (d *Database) checkReplications(name string) error {
	if name == anyDatabase && len(d.Replicate) > 0 {
		return errors.New("database *: replicate is for a database with a name")
	}
	for _, of := range sortedKeys(d.Replicate) {
		r := d.Replicate[of]
		err := errors.New("there is nothing in it")
		switch {
		case !replicationName.MatchString(of):
			err = errors.New("a name has letters, digits, _, . and -")
		case r != nil:
			err = r.check()
		}
		if err == nil {
			_, err = r.credentials()
		}
		if err != nil {
			return fmt.Errorf("database %s: replicate %s: %w", name, of, err)
		}
	}
	return nil
}

// credentials are those at the other server. They are read from the environment or the file
// now, and again whenever the replication begins anew.
func (r *Replication) credentials() (*peer.Credentials, error) {
	c, word, placeholder := &peer.Credentials{Kind: peer.Bearer}, "bearer", r.Bearer
	switch {
	case r.Basic != nil:
		c.Kind, c.Name, word, placeholder = peer.Basic, r.Basic.Name, "basic", r.Basic.Password
	case r.Cookie != nil:
		c.Kind, c.Name, word, placeholder = peer.Session, r.Cookie.Name, "cookie", r.Cookie.Password
	case r.Bearer == "":
		return nil, nil
	}
	c.Read = func() (string, error) { return readSecret(word, placeholder) }
	var err error
	c.Secret, err = c.Read()
	return c, err
}

// options are the replication as peer takes it.
func (r *Replication) options(name, database string, limits *Database, store *syncstore.Store, logger *zap.Logger) (peer.Options, error) {
	u, _, err := peer.ParseURL(r.From + r.To)
	if err != nil {
		return peer.Options{}, err
	}
	bounds := limits.limits()
	o := peer.Options{
		Name: name, Direction: peer.Pull, Keyspace: database, Remote: peer.Remote{URL: u}, Continuous: r.Continuous, Channels: r.Channels,
		Heartbeat: time.Duration(r.Heartbeat), Batch: r.Batch, MaxDocument: bounds.Document, MaxAttachment: bounds.Attachment, Logger: logger,
		Open: func() (peer.Local, error) {
			db, err := store.Database(database)
			if err != nil {
				return peer.Local{}, err
			}
			return peer.Local{Database: db, Collection: db.Default()}, nil
		},
	}
	if r.To != "" {
		o.Direction = peer.Push
	}
	if r.User != "" {
		o.Viewer = &syncstore.Viewer{Name: r.User}
	}
	o.Remote.Credentials, err = r.credentials()
	return o, err
}

// replications are those of the configuration. One whose credentials are gone is left out, with
// an error in the log.
func (a *App) replications(store *syncstore.Store) []peer.Options {
	var all []peer.Options
	for _, database := range sortedKeys(a.Databases) {
		d := a.Databases[database]
		for _, name := range sortedKeys(d.Replicate) {
			o, err := d.Replicate[name].options(name, database, d, store, a.logger.Named("replication"))
			if err != nil {
				a.logger.Error("a replication does not begin", zap.String("database", database), zap.String("replication", name), zap.Error(err))
				continue
			}
			all = append(all, o)
		}
	}
	return all
}

// replicate has the replications of the newest configuration run, and no others; of none, if
// there is none. It is called in turn, so that none runs twice.
func (h *storeHandle) replicate() {
	var all []peer.Options
	o, a := h.current(), h.newest()
	if o != nil && a != nil {
		all = a.replications(o.store)
	}
	if err := h.replications.Configure(all); err != nil {
		h.logger.Error("a replication does not begin", zap.Error(err))
	}
}

// warnReplications tells of credentials that go over the network as they are.
func (a *App) warnReplications() {
	for _, database := range sortedKeys(a.Databases) {
		for name, r := range a.Databases[database].Replicate {
			if (r.Bearer != "" || r.Basic != nil || r.Cookie != nil) && strings.HasPrefix(r.From+r.To, "http://") && !onThisHost(r.From+r.To) {
				a.logger.Warn("a replication sends its credentials without encryption: write https://",
					zap.String("database", database), zap.String("replication", name))
			}
		}
	}
}

func onThisHost(text string) bool {
	u, _, err := peer.ParseURL(text)
	if err != nil {
		return false
	}
	switch u.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}
