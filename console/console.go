// Package console is a page by which administrators look at a server and administer it: plain
// HTML, CSS and JavaScript in the binary, which ask the administrators' HTTP interface and
// nothing else.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"sync"
	"time"
)

//go:embed site
var site embed.FS

// index is the page itself.
const index = "index.html"

// security is what the page may do: load its own files, ask its own site, and show what it
// has read as images. Nothing is inline, nothing is evaluated, no text becomes markup, nobody frames it.
const security = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// types are the media types by the ends of names. Files that end otherwise are not served.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Console serves the page's files.
type Console struct {
	files func() map[string]*file
}

// file is one of them, ready to be sent.
type file struct {
	content   []byte
	mediaType string
	etag      string
}

// New returns the console. The files are looked at when the first is asked for.
func New() *Console { return &Console{files: sync.OnceValue(readFiles)} }

// readFiles reads what is in the binary. What is named there is there.
func readFiles() map[string]*file {
	files := make(map[string]*file)
	entries, _ := site.ReadDir("site")
	for _, entry := range entries {
		content, err := site.ReadFile("site/" + entry.Name())
		mediaType, known := types[path.Ext(entry.Name())]
		if err != nil || !known {
			continue
		}
		sum := sha256.Sum256(content)
		files[entry.Name()] = &file{content: content, mediaType: mediaType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
	}
	return files
}

// ServeFile answers GET and HEAD of a file, "" for the page. It reports false, and answers
// nothing, if there is none of the name. The caller has set what answers have in common.
func (c *Console) ServeFile(w http.ResponseWriter, r *http.Request, name string) bool {
	if name == "" {
		name = index
	}
	f, ok := c.files()[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Etag", f.etag)
	h.Set("Content-Security-Policy", security)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	return true
}
