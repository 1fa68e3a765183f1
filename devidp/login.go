package devidp

import (
	"net/http"

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

	request, err := p.storage.logins.request(r.PostForm.Get("request"))
	if err != nil {
		p.loginGone(w)

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
		p.loginGone(w)

		return
	}

	p.log.Info("signed in", zap.String("user", user.Name), zap.String("client_id", done.GetClientID()))
	op.AuthResponseCode(w, r, done, p)
}

func (p *provider) loginForm(w http.ResponseWriter, r *http.Request) {
	request, err := p.storage.logins.request(r.URL.Query().Get("request"))
	if err != nil {
		p.loginGone(w)

		return
	}

	data := pageData{
		Title:      "Sign in to " + request.GetClientID(),
		Action:     p.base + pathLogin,
		Request:    request.id,
		formAction: formActionSource(request.GetRedirectURI()),
	}

	for _, user := range p.users {
		data.Users = append(data.Users, pageUser{Name: user.Name, Display: user.display(), Expected: user.Name == request.hint})
	}

	p.render(w, http.StatusOK, data)
}

func (p *provider) loginGone(w http.ResponseWriter) {
	p.page(w, http.StatusBadRequest, "Not signed in", "This sign-in has expired or was completed already. Go back to the app and sign in again.")
}
