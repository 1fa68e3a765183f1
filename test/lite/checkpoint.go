package lite

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// checkpoint is how far a replication has come (blip.md 4).
type checkpoint struct {
	local  uint64 // of the device's sequences
	remote string // the server's sequence, as JSON; "" for none
}

// checkpointer keeps a checkpoint on the server and on the device.
type checkpointer struct {
	s        *side
	id       string
	rev      string
	known    bool // the server has told what it has
	started  bool // now is set
	saving   bool
	saved    checkpoint
	now      checkpoint
	refusals int
}

func newCheckpointer(s *side) checkpointer {
	config := s.r.config
	d := s.r.device
	d.mu.Lock()
	defer d.mu.Unlock()
	name := encode([]any{d.uuid, d.remote, config.URL, config.Channels, config.Filter, config.DocIDs})
	sum := sha1.Sum(name)
	id := sum[:]
	if s.c.name != DefaultCollection {
		sum := sha256.Sum256(append(name, fmt.Sprint(s.c.name, config.Push, config.Pull)...))
		id = sum[:]
	}
	return checkpointer{s: s, id: "cp-" + base64.StdEncoding.EncodeToString(id)}
}

func (c *checkpointer) hasLocal() bool {
	d := c.s.r.device
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.checkpoints[c.id]
	return ok
}

// get asks the server for its copy.
func (c *checkpointer) get(then func()) {
	m := c.s.message("getCheckpoint", "client", c.id)
	c.s.r.call(m, func(response *blip.Response, refusal *blip.PeerError) {
		switch {
		case refusal == nil:
			rev := response.Properties.Value("rev")
			o, err := decodeObject(response.Body)
			if err != nil || rev == "" {
				c.s.r.violate("blip.md 3.1", "getCheckpoint was answered by rev %q and %s", rev, response.Body)
			}
			c.found(rev, o)
		case refusal.Domain == "HTTP" && refusal.Code == http.StatusNotFound:
			c.found("", nil)
		default:
			if !c.s.r.fatal(refusal) {
				c.s.r.violate("blip.md 3.1", "getCheckpoint was refused by %s/%d", refusal.Domain, refusal.Code)
			}
			return
		}
		then()
	})
}

// found compares the server's copy with the device's: where they differ, the replication
// begins anew.
func (c *checkpointer) found(rev string, o object) {
	c.rev, c.known = rev, true
	c.saved = checkpoint{}
	if local, ok := o["local"].(json.Number); ok {
		c.saved.local, _ = strconv.ParseUint(local.String(), 10, 64)
	}
	if remote, ok := o["remote"]; ok {
		c.saved.remote = string(encode(remote))
	}
	d := c.s.r.device
	d.mu.Lock()
	own, ok := d.checkpoints[c.id]
	d.mu.Unlock()
	if !ok { // it is to be saved whatever the server has
		c.saved = checkpoint{}
		return
	}
	if c.started {
		return
	}
	c.now.local = min(own.local, c.saved.local)
	if own.remote == c.saved.remote {
		c.now.remote = own.remote
	}
}

// save brings the server's copy up to date. It reports whether there is nothing to do.
func (c *checkpointer) save() bool {
	if c.saving {
		return false
	}
	now := c.now
	if now == c.saved || !c.known {
		return true
	}
	c.saving = true
	body := struct {
		Time   int64           `json:"time"`
		Local  uint64          `json:"local,omitempty"`
		Remote json.RawMessage `json:"remote,omitempty"`
	}{time.Now().Unix(), now.local, json.RawMessage(now.remote)}
	m := c.s.message("setCheckpoint", "client", c.id, "rev", c.rev)
	m.Body = encode(body)
	c.s.r.call(m, func(response *blip.Response, refusal *blip.PeerError) {
		c.saving = false
		if refusal != nil {
			c.refused(refusal)
			return
		}
		if c.rev = response.Properties.Value("rev"); c.rev == "" {
			c.s.r.violate("blip.md 3.2", "setCheckpoint was answered without rev")
		}
		c.saved = now
		d := c.s.r.device
		d.mu.Lock()
		defer d.mu.Unlock()
		d.checkpoints[c.id] = now
	})
	return false
}

// refused reads the checkpoint again if another revision of it is there.
func (c *checkpointer) refused(refusal *blip.PeerError) {
	c.refusals++
	if refusal.Domain != "HTTP" || refusal.Code != http.StatusConflict {
		if !c.s.r.fatal(refusal) {
			c.s.r.violate("blip.md 3.2", "setCheckpoint was refused by %s/%d", refusal.Domain, refusal.Code)
		}
		return
	}
	if c.refusals > 3 {
		c.s.r.violate("blip.md 3.2", "setCheckpoint is refused again and again")
		c.s.r.fail(&Error{"HTTP", refusal.Code, refusal.Text})
		return
	}
	c.saving = true
	c.get(func() { c.saving = false })
}
