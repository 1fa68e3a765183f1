package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// CORS is a `cors` block.
type CORS struct {
	Origins     []string // exact origins, or "*"
	Credentials bool
	Headers     []string
	MaxAge      time.Duration // default 2h
}

const (
	defaultCORSAge = 2 * time.Hour
	// exposedHeaders are those that scripts of other origins may read.
	exposedHeaders = "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, Retry-After, Server, WWW-Authenticate"
	allowedMethods = "GET, HEAD, PUT, POST, DELETE, COPY"
	// allowedHeaders are those that a preflight may ask for, besides configured ones.
	allowedHeaders = "Accept, Authorization, Content-Encoding, Content-MD5, Content-Type, Destination, If-Match, If-None-Match, If-Range, If-User, Last-Event-ID, Origin, Range, Referer, X-Requested-With"
)

// originList is which origins may read answers.
type originList struct {
	any         bool
	exact       map[string]struct{}
	credentials bool
	headers     string
	maxAge      string
}

// setOrigins prepares the CORS block and the cross-origin check that trusts the same
// origins.
func (h *Handler) setOrigins(c *CORS) error {
	h.cross = http.NewCrossOriginProtection()
	if c == nil {
		return nil
	}
	if len(c.Origins) == 0 {
		return errors.New("no origins")
	}
	list := originList{exact: make(map[string]struct{}, len(c.Origins)), credentials: c.Credentials}
	for _, origin := range c.Origins {
		if origin == "*" {
			list.any = true
			continue
		}
		origin, err := normalOrigin(origin)
		if err != nil {
			return err
		}
		if err := h.cross.AddTrustedOrigin(origin); err != nil {
			return fmt.Errorf("origin %q: %w", origin, err)
		}
		list.exact[origin] = struct{}{}
	}
	if list.any && list.credentials {
		return errors.New("origins * cannot be used with credentials: any site could act for a signed-in user")
	}
	for _, name := range c.Headers {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("headers %q is not the name of one header: write such as X-Trace, each by itself", name)
		}
	}
	age := c.MaxAge
	if age <= 0 {
		age = defaultCORSAge
	}
	list.maxAge = strconv.FormatInt(int64(age/time.Second), 10)
	list.headers = strings.Join(append([]string{allowedHeaders}, c.Headers...), ", ")
	h.origins = list
	return nil
}

// normalOrigin returns an origin as browsers write it: lower case, no default port
// and no path.
func normalOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		(u.Path != "" && u.Path != "/") {
		return "", fmt.Errorf("%q is not an origin like https://app.example.com", text)
	}
	if strings.Contains(u.Host, "*") {
		return "", fmt.Errorf("%q is a pattern: write each origin by itself, or * alone for all", text)
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme { // url.Parse has made it lower case
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host, nil
}

func (o *originList) allows(origin string) bool {
	if o.any {
		return true
	}
	_, ok := o.exact[origin]
	return ok
}

// corsHeaders lets scripts of configured origins read the answer, refusals included.
func (h *Handler) corsHeaders(rq *request) {
	if h.CORS == nil {
		return
	}
	origin := rq.r.Header["Origin"]
	if len(origin) != 1 || !h.origins.allows(origin[0]) {
		return
	}
	if h.origins.credentials {
		rq.set("Access-Control-Allow-Origin", origin[0])
		rq.set("Access-Control-Allow-Credentials", "true")
	} else if h.origins.any {
		rq.set("Access-Control-Allow-Origin", "*")
	} else {
		rq.set("Access-Control-Allow-Origin", origin[0])
	}
	rq.set("Access-Control-Expose-Headers", exposedHeaders)
}

// preflight answers OPTIONS. It is never refused for lack of sign-in: browsers send
// it without credentials.
func (h *Handler) preflight(rq *request, to target) {
	rq.set("Allow", table(to.kind).allow())
	if _, allowed := rq.w.Header()["Access-Control-Allow-Origin"]; allowed {
		rq.set("Access-Control-Allow-Methods", allowedMethods)
		rq.set("Access-Control-Allow-Headers", h.origins.headers)
		rq.set("Access-Control-Max-Age", h.origins.maxAge)
	}
	rq.answered = true
	rq.w.WriteHeader(http.StatusNoContent)
}
