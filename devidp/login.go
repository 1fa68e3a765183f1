package devidp

import (
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"go.uber.org/zap"
)

// login shows the form and takes its answer.
func (p *provider) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		p.loginForm(w, r)

		return
	}

	// Only our own form may choose a user.
	if err := p.csrf.Check(r); err != nil {
		p.page(w, http.StatusForbidden, "Not signed in", "The form was sent by another page.")

		return
	}

	if err := r.ParseForm(); err != nil {
		p.page(w, http.StatusBadRequest, "Not signed in", "The form cannot be read.")

		return
	}

	id := r.PostForm.Get("request")

	request, err := p.storage.logins.request(id)
	if err != nil {
		p.loginGone(w, id)

		return
	}

	if r.PostForm.Has("cancel") {
		p.storage.logins.cancel(request.id)
		p.redirectError(w, r, request, oidc.ErrAccessDenied())

		return
	}

	user, err := p.user(r.PostForm.Get("user"))
	if err != nil {
		p.page(w, http.StatusBadRequest, "Not signed in", "No such user is listed in the sync_dev_idp block.")

		return
	}

	done, err := p.storage.logins.complete(request.id, user.Name)
	if err != nil {
		p.loginGone(w, id)

		return
	}

	p.log.Info("signed in", zap.String("user", user.Name), zap.String("client_id", done.GetClientID()))
	op.AuthResponseCode(w, r, done, p)
}

func (p *provider) loginForm(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("request")

	request, err := p.storage.logins.request(id)
	if err != nil {
		p.loginGone(w, id)

		return
	}

	if request.Done() {
		p.loginOver(w, request.GetRedirectURI(), request.user)

		return
	}

	data := pageData{
		Title:      "Sign in to " + p.clientName(request.GetClientID()),
		Action:     p.base + pathLogin,
		Request:    request.id,
		formAction: formActionSource(request.GetRedirectURI()),
	}

	for _, user := range p.users {
		title, detail := user.display()
		data.Users = append(data.Users, pageUser{Name: user.Name, Title: title, Detail: detail, Expected: user.Name == request.hint})
	}

	p.render(w, http.StatusOK, data)
}

// clientName is what people call a client.
func (p *provider) clientName(id string) string {
	if client, err := p.client(id); err == nil && client.Name != "" {
		return client.Name
	}

	return id
}

// loginGone answers for a login that is not open: it was completed, and somebody went back in
// the browser, or it has expired.
func (p *provider) loginGone(w http.ResponseWriter, id string) {
	if over, ok := p.storage.logins.ended(id); ok {
		p.loginOver(w, over.GetRedirectURI(), over.user)

		return
	}

	p.page(w, http.StatusBadRequest, "This sign-in has expired", "Go back to the app and sign in again.")
}

// loginOver leads back to the app of a login that was completed, or cancelled if there is no
// user. A redirect URI was found allowed before a login began; of it only the origin is
// linked, since the rest is for answers.
func (p *provider) loginOver(w http.ResponseWriter, redirectURI, user string) {
	data := pageData{Title: "You signed in as " + user, Text: "This sign-in is done: go on in the app, where you can also sign out and sign in as somebody else."}
	if user == "" {
		data = pageData{Title: "This sign-in was cancelled", Text: "Go back to the app to sign in again."}
	}

	if u, err := url.Parse(redirectURI); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		data.Back, data.BackName = u.Scheme+"://"+u.Host+"/", u.Host
	}

	p.render(w, http.StatusBadRequest, data)
}
