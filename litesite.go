package caddysync

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddysync/caddy-sync/replication/lite"
	"github.com/caddysync/caddy-sync/replication/rest"
)

// replicate answers a handshake of Couchbase Lite. The connection lives on after the request:
// it is counted as one that uses the store by itself, and ends with a group of the
// configuration's streams, as feeds do.
func (h *Handler) replicate(w http.ResponseWriter, r *http.Request, handshake rest.Handshake) error {
	ctx, end, ok := h.outlive()
	if !ok {
		handshake.Lease.Close()
		return &rest.HandshakeError{Status: http.StatusServiceUnavailable, Reason: ErrClosed.Error()}
	}
	accepted, err := h.lite.Accept(w, r, h.litePeer(&handshake))
	if err != nil {
		end()
		if refused, ok := errors.AsType[*lite.HandshakeError](err); ok {
			return &rest.HandshakeError{Status: refused.Status, Reason: refused.Reason}
		}
		return err
	}
	go func() {
		defer end()
		accepted.Run(ctx)
	}()
	return nil
}

// detach runs a feed on a WebSocket, which outlives its request likewise.
func (h *Handler) detach(run func(context.Context)) error {
	ctx, end, ok := h.outlive()
	if !ok {
		return ErrClosed
	}
	feeds := &h.app.handle.metrics.feeds
	feeds.Add(1)
	go func() {
		defer end()
		defer feeds.Add(-1)
		run(ctx)
	}()
	return nil
}

// outlive counts what goes on after its request is over as something that uses the store;
// false if the store is closing. Its context is not the request's: that would keep the
// request, and what Caddy put into it, for as long as a connection lives.
func (h *Handler) outlive() (context.Context, func(), bool) {
	ctx, cancel := context.WithCancel(context.Background())
	active, ok := h.app.handle.requests.begin(nil, cancel)
	if !ok {
		cancel()
		return nil, nil, false
	}
	return ctx, func() { active.end(); cancel() }, true
}

// litePeer is who replicates, as replication/lite takes it.
func (h *Handler) litePeer(handshake *rest.Handshake) lite.Peer {
	peer := lite.Peer{
		Database: handshake.Database, Collection: handshake.Collection, Viewer: handshake.Viewer,
		ReadOnly: handshake.Principal.ReadOnly, Lease: handshake.Lease,
		MaxDocument: handshake.Limits.Document, MaxAttachment: handshake.Limits.Attachment,
		Stop:     h.app.streams.groups[h.nextFeed.Add(1)%streamGroups],
		Rejected: func() { h.app.handle.metrics.rejections.Add(1) },
	}
	if handshake.Activity != nil {
		peer.Activity = handshake.Activity
	}
	if handshake.Viewer != nil {
		peer.Gone = handshake.Database.Serving()
	}
	if d, ok := h.app.database(handshake.DatabaseName); ok {
		peer.NoDeltas = d.DeltaSync != nil && !*d.DeltaSync
	}
	return peer
}

// newLite makes what serves Couchbase Lite on the site.
func (h *Handler) newLite() *lite.Server {
	return lite.New(lite.Config{Logger: h.logger, Counters: &h.app.handle.metrics.lite})
}
