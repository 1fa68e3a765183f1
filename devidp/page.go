package devidp

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the page
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

//go:embed login.html
var pageText string

// All that the page needs is in it: it loads nothing, runs nothing, and works the same
// with a keyboard, a screen reader, or in the dark.
const pageStyle template.CSS = `:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}` +
	`body{margin:0;display:grid;min-height:100vh;place-items:center}main{width:min(26rem,90vw);padding:2rem 0}` +
	`ul{list-style:none;padding:0}li{margin:.5rem 0}` +
	`button{font:inherit;width:100%;min-height:3rem;padding:.5rem 1rem;text-align:start;border:1px solid GrayText;border-radius:.75rem;background:Canvas;color:CanvasText;cursor:pointer}` +
	`button:hover{border-color:CanvasText}button:focus-visible{outline:3px solid Highlight;outline-offset:2px}` +
	`.cancel{width:auto}`

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// pageData is what the page shows: a form if there are users, a text otherwise.
type pageData struct {
	Title, Text, Action, Request string
	Back, BackName               string // where the app is, if that is known
	Style                        template.CSS
	Users                        []pageUser

	formAction string // CSP sources beside 'self'
}

type pageUser struct {
	Name, Title, Detail string
	Expected            bool
}

// page answers with a text for a person.
func (p *provider) page(w http.ResponseWriter, status int, title, text string) {
	p.render(w, status, pageData{Title: title, Text: text})
}

func (p *provider) render(w http.ResponseWriter, status int, data pageData) {
	data.Style = pageStyle

	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		p.log.Error("rendering the login page", zap.Error(err))
		http.Error(w, "The page cannot be shown; the server's log says why.", http.StatusInternalServerError)

		return
	}

	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", contentSecurityPolicy(data.formAction))
	header.Set("X-Frame-Options", "DENY")
	// With no-referrer a browser would send our own form with Origin: null.
	header.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

func contentSecurityPolicy(formAction string) string {
	style := sha256.Sum256([]byte(pageStyle))

	return strings.Join([]string{
		"default-src 'none'",
		"style-src 'sha256-" + base64.StdEncoding.EncodeToString(style[:]) + "'",
		strings.TrimSpace("form-action 'self' " + formAction),
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}
