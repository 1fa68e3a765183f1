package lite

import (
	"context"
	"strconv"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// sendNoRev says that a revision that was asked for cannot be had. Without it, or without the
// sequence, the client would wait for ever (reference/blip.md 3.8).
func (f *feed) sendNoRev(ctx context.Context, w *wanted, code int, reason string) error {
	p := f.ks.properties("norev",
		blip.Property{Name: "id", Value: w.id}, blip.Property{Name: "rev", Value: w.rev},
		blip.Property{Name: "sequence", Value: string(appendSequence(nil, w.at))},
		blip.Property{Name: "error", Value: strconv.Itoa(code)}, blip.Property{Name: "reason", Value: reason})
	err := f.ks.r.conn.Send(ctx, &blip.Message{Properties: p, NoReply: true})
	f.done(w.id)
	return err
}
