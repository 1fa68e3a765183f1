package caddysync

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/test/harness"
)

// notAnswered is the status of a push whose connection ended: whether it was taken is not known.
const notAnswered = 0

// device pushes by Couchbase Lite's protocol until stop is closed, by a new connection whenever one was ended.
func (r *reloads) device(rng *rand.Rand, name string, stop <-chan struct{}) {
	for n := 0; ; {
		select {
		case <-stop:
			return
		default:
		}
		database, from := reloadNames[rng.IntN(len(reloadNames))], time.Now()
		l, err := harness.DialLite(r.t.Context(), "http://"+r.addr+"/"+database, harness.LiteOptions{Version: 2 + rng.IntN(3)})
		if err != nil {
			r.shutOut(database, from, err)
			continue
		}
		_, _, err = l.Open(r.t.Context(), name)
		for pushes := rng.IntN(40); pushes > 0 && err == nil; pushes-- {
			n++
			err = r.push(l, database, name, n)
		}
		l.Drop()
	}
}

// push pushes a document. An error ends the connection; a refusal is none.
func (r *reloads) push(l *harness.Lite, database, name string, n int) error {
	w := reloadWrite{database: database, id: fmt.Sprint(name, n), n: n, from: time.Now(), status: http.StatusCreated}
	_, err := l.Push(r.t.Context(), w.id, fmt.Sprintf(`{"n":%d}`, n))
	w.to = time.Now()
	refused, said := errors.AsType[*blip.PeerError](err)
	switch {
	case said && refused.Code == http.StatusForbidden:
		w.status, err = http.StatusForbidden, nil
	case err != nil:
		w.status = notAnswered
	}
	configs := r.between(w.from, w.to)
	may := w.status == notAnswered || slices.ContainsFunc(configs, func(c *reloadConfig) bool {
		d := c.of(database)
		return d != nil && (d.refuses == n%3) == (w.status == http.StatusForbidden)
	})
	if !may {
		r.t.Errorf("push of %s/%s: %d; %s", database, w.id, w.status, describeConfigs(configs))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = append(r.written, w)
	return err
}

// shutOut looks at why a device could not connect.
func (r *reloads) shutOut(database string, from time.Time, err error) {
	refused, ok := errors.AsType[*harness.HandshakeError](err)
	if !ok {
		return // a reload cost it its connection
	}
	to := time.Now()
	configs := r.between(from, to)
	may := r.comesAgain(refused.Status, from, to)
	for _, c := range configs {
		d := c.of(database)
		switch refused.Status {
		case http.StatusNotFound:
			may = may || d == nil || c.rest != nil
		case http.StatusUnauthorized:
			may = may || d != nil && !d.guest
		case http.StatusForbidden: // guests were shut out meanwhile
			may = may || len(configs) > 1 && (d == nil || !d.guest)
		}
	}
	if !may {
		r.t.Errorf("%s: %v; %s", database, err, describeConfigs(configs))
	}
}
