package rest

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// noSniff, cacheControl and vary are on every answer (DECISIONS 13).
	noSniff      = "nosniff"
	cacheControl = "private, no-cache"
	vary         = "Origin, Cookie, Authorization"
)

// commonHeaders sets what every answer has.
func (h *Handler) commonHeaders(rq *request) {
	rq.set("X-Content-Type-Options", noSniff)
	rq.set("Cache-Control", cacheControl)
	header := rq.w.Header()
	if before := header["Vary"]; len(before) > 0 {
		header["Vary"] = append(slices.Clip(before), vary)
		return
	}
	rq.set("Vary", vary)
}

// checkContentType refuses bodies of types that are not taken: an administrator's
// site takes only JSON, attachments apart, since browsers can send other types
// across origins without asking (DECISIONS 12).
func (h *Handler) checkContentType(rq *request, act action) error {
	r := rq.r
	if act.attachment || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	given := r.Header.Get("Content-Type")
	if given == jsonType || (given == "" && (h.Site.Admin == nil || r.ContentLength == 0)) {
		return nil
	}
	if r.ContentLength == 0 && r.Method != http.MethodPost {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(given)
	switch {
	case err == nil && mediaType == jsonType:
		return nil
	case err == nil && mediaType == "multipart/related" && r.Method == http.MethodPut:
		return nil // a document with its attachments; not a type of simple requests
	case h.Site.Admin == nil && r.Method != http.MethodPost:
		return nil
	}
	return badContentType("Content-Type must be application/json.")
}

// isForm reports whether the body is what a page's form sends.
func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// acceptQuality is the quality (0-1000) that an Accept header gives to a media type
// by a range that names it, at least by its major type, and by */*.
func acceptQuality(accept []string, mediaType string) (named, anything int, given bool) {
	major, _, _ := strings.Cut(mediaType, "/")
	exact := -1
	wide := -1
	for _, header := range accept {
		for part := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(part, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "" {
				continue
			}
			given = true
			q := quality(params)
			switch name {
			case mediaType:
				exact = max(exact, q)
			case major + "/*":
				wide = max(wide, q)
			case "*/*":
				anything = max(anything, q)
			}
		}
	}
	switch {
	case exact >= 0:
		return exact, anything, given
	case wide >= 0:
		return wide, anything, given
	}
	return 0, anything, given
}

func quality(params string) int {
	for param := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(param), "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return int(q * 1000)
	}
	return 1000
}

// prefersHTML reports whether a browser asks for a page (DECISIONS 14).
func prefersHTML(accept []string) bool {
	if len(accept) == 0 {
		return false
	}
	html, _, _ := acceptQuality(accept, "text/html")
	json, anything, _ := acceptQuality(accept, jsonType)
	return html > max(json, anything)
}

// prefersMultipart reports whether a multipart answer is wanted: it must be named,
// and JSON must not be named with a higher quality, or first.
func prefersMultipart(accept []string, mediaType string) bool {
	if len(accept) == 0 {
		return false
	}
	multi, _, _ := acceptQuality(accept, mediaType)
	json, _, _ := acceptQuality(accept, jsonType)
	if multi == 0 || multi != json {
		return multi > json
	}
	all := strings.Join(accept, ",")
	return strings.Index(all, "multipart/") < strings.Index(all, jsonType)
}

// acceptsJSON reports whether a JSON answer is acceptable.
func acceptsJSON(accept []string) bool {
	json, anything, given := acceptQuality(accept, jsonType)
	text, _, _ := acceptQuality(accept, "text/plain")
	return !given || json > 0 || anything > 0 || text > 0
}

// matchesETag reports whether a list of entity tags has etag (quoted), by weak
// comparison.
func matchesETag(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// inline reports whether content of this type may be shown in the site's origin:
// raster images, audio, video and plain text (DECISIONS 13).
func inline(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	major, minor, _ := strings.Cut(mediaType, "/")
	switch major {
	case "audio", "video":
		return true
	case "image":
		return !strings.Contains(minor, "svg") && !strings.Contains(minor, "xml")
	}
	return mediaType == "text/plain"
}
