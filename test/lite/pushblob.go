package lite

import (
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
)

// getAttachment gives the server a blob of a revision that is being pushed.
func (p *pusher) getAttachment(request *blip.Request) {
	digest := request.Properties.Value("digest")
	id, hasID := request.Properties.Get("docID")
	if request.NoReply {
		p.s.r.violate("blip.md 3.12", "getAttachment wants no answer")
	}
	if p.s.r.protocol > 2 && !hasID {
		p.s.r.violate("blip.md 3.12", "getAttachment without docID")
	}
	if !p.isBeingPushed(digest, id) {
		p.s.r.violate("blip.md 3.12", "getAttachment of %s of %q, which is not being pushed", digest, id)
	}
	content, ok := p.s.r.device.Blob(digest)
	if !ok {
		request.Refuse("LiteCore", 7, "not found")
		return
	}
	compress := request.Properties.Value("compress")
	request.Reply(&blip.Message{Body: content, Compressed: compress == "true" || compress == "1"})
}

// isBeingPushed reports whether a digest is in a revision that is not answered yet.
func (p *pusher) isBeingPushed(digest, id string) bool {
	for _, out := range p.pending {
		if _, ok := out.digests[digest]; ok && out.sent && (id == "" || id == out.id) {
			return true
		}
	}
	return false
}

// proveAttachment shows the server that the device has a blob.
func (p *pusher) proveAttachment(request *blip.Request) {
	digest := request.Properties.Value("digest")
	if request.NoReply {
		p.s.r.violate("blip.md 3.13", "proveAttachment wants no answer")
	}
	if n := len(request.Body); n == 0 || n > 255 {
		p.s.r.violate("blip.md 3.13", "proveAttachment with a nonce of %d bytes", n)
	}
	if !p.isBeingPushed(digest, "") {
		p.s.r.violate("blip.md 3.13", "proveAttachment of %s, which is not being pushed", digest)
	}
	content, ok := p.s.r.device.Blob(digest)
	if !ok {
		request.Refuse("LiteCore", 7, "not found")
		return
	}
	request.Reply(&blip.Message{Body: []byte(proof(request.Body, content))})
}

// compressible reports whether LiteCore asks for a blob in compressed form.
func compressible(contentType string) bool {
	for _, kind := range []string{"image/", "audio/", "video/"} {
		if strings.HasPrefix(contentType, kind) {
			return false
		}
	}
	return true
}
