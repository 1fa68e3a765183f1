package lite1

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// checkpoint is where a replication goes on: both sides remember it, and only where they agree
// it counts.
type checkpoint struct {
	remote *remote
	id     string
	// body is the document as the server has it.
	body map[string]any
	last string // "" for the beginning
}

func newCheckpoint(r *remote) *checkpoint {
	c := r.config
	spec, _ := json.Marshal(map[string]any{ // of strings
		"localUUID": r.device.uuid, "push": c.Push, "continuous": c.continuous,
		"channels": c.Channels, "docids": c.DocIDs, "remoteURL": c.URL,
	})
	sum := sha1.Sum(spec)
	return &checkpoint{remote: r, id: hex.EncodeToString(sum[:])}
}

// fetch reads the checkpoint of both sides.
func (c *checkpoint) fetch(ctx context.Context) error {
	err := c.remote.json(ctx, http.MethodGet, "_local/"+c.id, nil, &c.body)
	if err != nil && statusOf(err) != http.StatusNotFound {
		return err
	}
	d := c.remote.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if theirs, ok := c.body["lastSequence"].(string); ok && theirs == d.checkpoints[c.id] {
		c.last = theirs
	}
	return nil
}

// save stores where the replication has come to, at the server first.
func (c *checkpoint) save(ctx context.Context, last string) error {
	if last == c.last {
		return nil
	}
	body := map[string]any{"lastSequence": last}
	if rev, ok := c.body["_rev"]; ok {
		body["_rev"] = rev
	}
	var answer struct{ Rev string }
	err := c.remote.json(ctx, http.MethodPut, "_local/"+c.id, body, &answer)
	switch statusOf(err) {
	case http.StatusConflict:
		c.body = nil
		if err := c.remote.json(ctx, http.MethodGet, "_local/"+c.id, nil, &c.body); err != nil && statusOf(err) != http.StatusNotFound {
			return err
		}
		return c.save(ctx, last)
	case http.StatusNotFound:
		c.body = nil
		return c.save(ctx, last)
	}
	if err != nil {
		return fmt.Errorf("saving the checkpoint: %w", err)
	}
	body["_rev"] = answer.Rev
	c.body, c.last = body, last
	d := c.remote.device
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checkpoints[c.id] = last
	return nil
}
