package lite

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/caddysync/caddy-sync/replication/blip"
)

func newSide(r *Replication, c *Collection, index int) *side {
	s := &side{r: r, c: c, index: index}
	s.checkpoint = newCheckpointer(s)
	s.push = pusher{s: s, handled: make(map[string]uint64), pending: make(map[string]*outgoing), conflicts: make(map[string]*outgoing)}
	s.pull = puller{s: s, wanted: make(map[wantedKey]*row)}
	return s
}

// watch calls tell after each change by the app.
func (c *Collection) watch(tell func()) (stop func()) {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	c.watchers = append(c.watchers, tell)
	at := len(c.watchers) - 1
	return func() {
		c.device.mu.Lock()
		defer c.device.mu.Unlock()
		c.watchers[at] = func() {}
	}
}

// begin opens the replication: with named collections, and always from 3.4 on, by
// getCollections, else by getCheckpoint.
func (r *Replication) begin() {
	if r.device.version.namesCollections() || len(r.config.Collections) > 0 {
		r.getCollections()
		return
	}
	s := r.sides[0]
	s.checkpoint.get(func() {
		if !s.push.started && !s.pull.started {
			s.begin()
		}
	})
	if !s.checkpoint.hasLocal() {
		s.begin()
	}
}

func (r *Replication) getCollections() {
	var body struct {
		CheckpointIDs []string `json:"checkpoint_ids"`
		Collections   []string `json:"collections"`
	}
	for _, s := range r.sides {
		body.CheckpointIDs = append(body.CheckpointIDs, s.checkpoint.id)
		body.Collections = append(body.Collections, s.c.name)
	}
	m := &blip.Message{Properties: blip.Properties{{Name: "Profile", Value: "getCollections"}}, Body: encode(body)}
	if r.device.version.namesCollections() {
		m.Properties = append(m.Properties, blip.Property{Name: "uuid", Value: r.device.uuid})
	}
	r.call(m, func(response *blip.Response, refusal *blip.PeerError) {
		if refusal != nil {
			r.fail(&Error{refusal.Domain, refusal.Code, refusal.Text})
			return
		}
		r.collections = true
		r.gotCollections(response)
	})
}

func (r *Replication) gotCollections(response *blip.Response) {
	var rows []*object
	if err := json.Unmarshal(response.Body, &rows); err != nil || len(rows) != len(r.sides) {
		r.violate("blip.md 3.3", "getCollections was answered by %s", response.Body)
		return
	}
	for i, s := range r.sides {
		if rows[i] == nil {
			r.finish(1000, "", &Error{"WebSocket", 404, fmt.Sprintf("Collection '%s' is not found on the remote server", s.c.name)})
			return
		}
	}
	for i, s := range r.sides {
		o, err := decodeObject(encode(*rows[i]))
		if err != nil {
			r.violate("blip.md 3.3", "a checkpoint: %v", err)
		}
		rev, hasRev := o["rev"].(string)
		if len(o) > 0 && !hasRev {
			r.violate("blip.md 3.3", "a checkpoint without rev: %s", encode(o))
		}
		if r.config.ForgetCheckpointRev {
			rev = ""
		}
		s.checkpoint.found(rev, o)
		s.begin()
	}
}

// begin starts to push and to pull.
func (s *side) begin() {
	if s.r.finishing {
		return
	}
	if s.r.config.Push {
		s.push.begin()
	}
	if s.r.config.Pull {
		s.pull.begin()
	}
}

// changed is called after the app wrote.
func (s *side) changed() {
	if s.push.started && s.r.config.Continuous && !s.r.finishing {
		s.push.gather()
	}
}

func (s *side) resting() bool {
	return s.checkpoint.known && (!s.r.config.Push || s.push.resting()) && (!s.r.config.Pull || s.pull.resting())
}

func (s *side) state() string {
	return fmt.Sprintf("%s: checkpoint known %v, saving %v; push started %v, %d pending; pull started %v, caught up %v, %d revisions outstanding %v; ",
		s.c.name, s.checkpoint.known, s.checkpoint.saving, s.push.started, len(s.push.pending), s.pull.started, s.pull.caughtUp, len(s.pull.wanted), s.pull.missing())
}

// message is a request of this collection.
func (s *side) message(profile string, properties ...string) *blip.Message {
	m := &blip.Message{Properties: blip.Properties{{Name: "Profile", Value: profile}}}
	if s.r.collections {
		m.Properties = append(m.Properties, blip.Property{Name: "collection", Value: strconv.Itoa(s.index)})
	}
	for i := 0; i < len(properties); i += 2 {
		m.Properties = append(m.Properties, blip.Property{Name: properties[i], Value: properties[i+1]})
	}
	return m
}

// handle takes a request of the server.
func (r *Replication) handle(request *blip.Request) {
	if r.finishing {
		return
	}
	s := r.sideOf(request)
	if s == nil {
		request.Refuse("HTTP", 400, "Unrecognized collection")
		return
	}
	switch request.Profile() {
	case "changes":
		s.pull.changes(request)
	case "rev":
		s.pull.rev(request)
	case "norev":
		s.pull.norev(request)
	case "getAttachment":
		s.push.getAttachment(request)
	case "proveAttachment":
		s.push.proveAttachment(request)
	default:
		r.violate("blip.md 3", "the server sent %q", request.Profile())
		request.Refuse("BLIP", 404, "No handler for BLIP request")
	}
}

// sideOf finds the collection that a request means.
func (r *Replication) sideOf(request *blip.Request) *side {
	property, ok := request.Properties.Get("collection")
	if !r.collections {
		if ok {
			r.violate("blip.md 3.0", "%s has the property collection without getCollections", request.Profile())
			return nil
		}
		return r.sides[0]
	}
	i, err := strconv.Atoi(property)
	if err != nil || i < 0 || i >= len(r.sides) || strconv.Itoa(i) != property {
		r.violate("blip.md 3.0", "%s has the collection %q", request.Profile(), property)
		return nil
	}
	return r.sides[i]
}
