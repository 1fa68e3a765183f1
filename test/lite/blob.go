package lite

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
)

// digestOf names a blob.
func digestOf(content []byte) string {
	sum := sha1.Sum(content)
	return "sha1-" + base64.StdEncoding.EncodeToString(sum[:])
}

// isDigest reports whether a text names a blob as LiteCore reads it: base64, not hex.
func isDigest(text string) bool {
	encoded, ok := strings.CutPrefix(text, "sha1-")
	if !ok {
		return false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return err == nil && len(raw) == sha1.Size
}

// proof is the answer to proveAttachment (blip.md 3.13).
func proof(nonce, content []byte) string {
	h := sha1.New()
	h.Write([]byte{byte(len(nonce))})
	h.Write(nonce)
	h.Write(content)
	return "sha1-" + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// AddBlob keeps a blob and returns what stands for it in a document.
func (d *Device) AddBlob(contentType string, content []byte) map[string]any {
	digest := digestOf(content)
	d.mu.Lock()
	d.blobs[digest] = content
	d.mu.Unlock()
	blob := object{"@type": "blob", "digest": digest, "length": json.Number(strconv.Itoa(len(content)))}
	if contentType != "" {
		blob["content_type"] = contentType
	}
	return blob
}

// eachBlob calls fn with the blobs in a body, and the JSON pointer to each.
func eachBlob(value any, pointer string, fn func(pointer string, blob object)) {
	switch v := value.(type) {
	case object:
		if v["@type"] == "blob" {
			fn(pointer, v)
			return
		}
		for name, member := range v {
			if pointer == "" && strings.HasPrefix(name, "_") {
				continue
			}
			name = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
			eachBlob(member, pointer+"/"+name, fn)
		}
	case []any:
		for i, member := range v {
			eachBlob(member, pointer+"/"+strconv.Itoa(i), fn)
		}
	}
}

// attachments are what goes with the body as _attachments (blip.md 5.3). revPos 0: without.
func (doc *document) attachments(revPos int) object {
	all := object{}
	if own, ok := doc.body["_attachments"].(object); ok {
		maps.Copy(all, own)
	}
	eachBlob(doc.body, "", func(pointer string, blob object) {
		entry := maps.Clone(blob)
		delete(entry, "@type")
		entry["stub"] = true
		if revPos > 0 {
			entry["revpos"] = json.Number(strconv.Itoa(revPos))
		}
		all["blob_"+pointer] = entry
	})
	return all
}

// pushed is the body as it is sent. 4.0 keeps an empty _attachments where blobs were.
func (c *Collection) pushed(doc *document) []byte {
	revPos := generation(doc.rev)
	if c.device.version.vectors() {
		revPos = 0
	}
	body := maps.Clone(doc.body)
	delete(body, "_attachments")
	if all := doc.attachments(revPos); len(all) > 0 || doc.unblobbed {
		body["_attachments"] = all
	}
	return encode(body)
}

// received makes a body that came from the server one to be kept: entries of _attachments
// that mirror blobs go, and so do other members that begin with "_".
func received(body object) object {
	all, _ := body["_attachments"].(object)
	own := maps.Clone(all)
	eachBlob(body, "", func(pointer string, blob object) {
		name := "blob_" + pointer
		if entry, ok := all[name].(object); ok {
			if digest, ok := entry["digest"].(string); ok && digest != blob["digest"] {
				blob["digest"], blob["length"] = digest, entry["length"] // edited through REST
			}
			delete(own, name)
		}
	})
	for name := range body {
		if strings.HasPrefix(name, "_") {
			delete(body, name)
		}
	}
	if len(own) > 0 {
		body["_attachments"] = own
	}
	return body
}

// named are the digests, with the lengths, that a body that came from the server names.
func named(body object) (digests map[string]int64, missing []string) {
	digests = make(map[string]int64)
	all, mirrored := body["_attachments"].(object)
	for _, entry := range all {
		if e, ok := entry.(object); ok {
			digest, _ := e["digest"].(string)
			digests[digest] = length(e)
		}
	}
	eachBlob(body, "", func(pointer string, blob object) {
		digest, _ := blob["digest"].(string)
		if _, ok := digests[digest]; ok {
			return
		}
		if _, ok := all["blob_"+pointer]; ok {
			return // edited through REST: the entry counts
		}
		if mirrored {
			missing = append(missing, digest)
		}
		digests[digest] = length(blob)
	})
	return digests, missing
}

func length(entry object) int64 {
	n, _ := entry["length"].(json.Number)
	l, _ := n.Int64()
	return l
}
