package lite

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol's own (reference/blip.md 3.13)
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
)

// nonceSize is how many random bytes a proof is over.
const nonceSize = 20

// prove has the client prove that it has content, so that it need not be sent again
// (reference/blip.md 3.13). A client that cannot is asked for the content; one that gives a
// wrong proof is refused.
func (p *push) prove(r *replication, a *attachment, content syncstore.Content) (proved bool, err error) {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	m := &blip.Message{Properties: p.ks.properties("proveAttachment", blip.Property{Name: "digest", Value: a.digest}), Body: nonce}
	answer, err := r.conn.Call(r.ctx, m)
	if _, refused := errors.AsType[*blip.PeerError](err); refused {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	expected, err := proofOf(r, content, nonce)
	switch {
	case errors.Is(err, syncstore.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case string(answer.Body) != expected:
		return false, a.refuse(http.StatusForbidden, "was not proved")
	}
	return true, nil
}

// proofOf is what somebody who has content answers.
func proofOf(r *replication, content syncstore.Content, nonce []byte) (string, error) {
	reader, err := r.peer.Database.OpenContent(r.ctx, content)
	if err != nil {
		return "", err
	}
	defer func() { _ = reader.Close() }() // nothing was written
	sum := sha1.New()                     //nolint:gosec // see imports
	_, _ = sum.Write([]byte{byte(len(nonce))})
	_, _ = sum.Write(nonce)
	if _, err := reader.WriteTo(sum); err != nil {
		return "", err
	}
	return "sha1-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)), nil
}
