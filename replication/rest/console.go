package rest

import (
	"net/http"
	"strings"
)

// consoleName is where the console is on an administrators' site. No database can have the
// name, which would have to begin with a letter, and none of CouchDB's or Sync Gateway's
// endpoints has it.
const consoleName = "_console"

// Console is a page for administrators.
type Console interface {
	// ServeFile answers a request for one of its files, "" for the page itself. It reports
	// false, and answers nothing, if there is no such file.
	ServeFile(w http.ResponseWriter, r *http.Request, file string) bool
}

// routeConsole finds the file of the console that a path on an administrators' site leads to.
func routeConsole(name, rest string, deeper bool) (to target, ok bool) {
	if name != consoleName {
		return target{}, false
	}
	if !deeper {
		return target{kind: kindConsolePlace}, true
	}
	return target{kind: kindConsole, item: rest}, true
}

// consoleActions say who answers what of the console.
func consoleActions(k kind) (actions, bool) {
	switch k {
	case kindConsole:
		return actions{get: action{do: (*Handler).console}}, true
	case kindConsolePlace:
		return actions{get: action{do: (*Handler).toConsole}}, true
	}
	return actions{}, false
}

// console answers GET /_console/…. The files are the same for everybody and hold no data:
// they go to whoever asks from where the site's administrators come. Who is one by a token
// cannot bring it before the page is there; the page then sends it along with each of its
// requests, and each of them is judged by itself.
func (h *Handler) console(rq *request) error {
	if err := h.admitConsole(rq); err != nil {
		return err
	}
	if strings.Contains(rq.item, "%") || !h.Console.ServeFile(rq.w, rq.r, rq.item) {
		return notFound("missing")
	}
	rq.answered = true
	return nil
}

// admitConsole refuses whoever does not come from where administrators do, and everybody where the
// console is off.
func (h *Handler) admitConsole(rq *request) error {
	if h.Console == nil {
		return notFound("missing")
	}
	return h.Site.Admin.AdmitPlace(rq.r)
}

// toConsole leads a browser to the page, whose files are beside it.
func (h *Handler) toConsole(rq *request) error {
	if err := h.admitConsole(rq); err != nil {
		return err
	}
	rq.set("Location", h.PathPrefix+"/"+consoleName+"/")
	rq.answered = true
	rq.w.WriteHeader(http.StatusPermanentRedirect)
	return nil
}
