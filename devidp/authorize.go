package devidp

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"go.uber.org/zap"
)

// The base64url of a SHA-256 (RFC 7636 section 4.2).
var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// authorize checks an authorization request and sends the browser to the login form.
//
// The steps are the library's op.Authorize with a stricter middle; that function also
// writes `state` to the process's log when a request fails (DECISIONS 15).
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	req, err := op.ParseAuthorizeRequest(r, p.Decoder())
	if err != nil {
		p.page(w, http.StatusBadRequest, "This sign-in cannot begin", "The app sent a request that cannot be read.")

		return
	}

	// Until the redirect URI is known to be the app's, errors stay here (RFC 6749
	// section 4.1.2.1): anything else is an open redirect.
	client, err := p.client(req.ClientID)
	if err != nil || repeated(r.Form, "client_id") {
		p.page(w, http.StatusBadRequest, "This sign-in cannot begin", "The app sent a client_id that is not listed in the sync_dev_idp block.")

		return
	}

	if !client.allowsRedirect(req.RedirectURI) || repeated(r.Form, "redirect_uri") {
		p.page(w, http.StatusBadRequest, "This sign-in cannot begin",
			"The app sent a redirect_uri that is neither on localhost, 127.0.0.1 or [::1] nor listed for the client.")

		return
	}

	hint, problem := p.checkAuthorize(r, req, client)
	if problem != nil {
		p.redirectError(w, r, req, problem)

		return
	}

	request, err := p.storage.CreateAuthRequest(r.Context(), req, hint)
	if err != nil {
		p.redirectError(w, r, req, oidc.ErrServerError())

		return
	}

	http.Redirect(w, r, p.url(pathLogin)+"?request="+url.QueryEscape(request.GetID()), http.StatusSeeOther)
}

// checkAuthorize returns whom the app expects to sign in, if it says so.
func (p *provider) checkAuthorize(r *http.Request, req *oidc.AuthRequest, client Client) (hint string, problem error) {
	for name := range r.Form {
		if name != "resource" && repeated(r.Form, name) {
			return "", oidc.ErrInvalidRequest().WithDescription("a parameter is repeated (RFC 6749 section 3.1)")
		}
	}

	if r.Form.Has("request") || r.Form.Has("request_uri") {
		return "", oidc.ErrRequestNotSupported().WithDescription("request objects are not supported")
	}

	shown := opClient{Client: client}

	if err := op.ValidateAuthReqResponseType(shown, req.ResponseType); err != nil {
		return "", err
	}

	modes := []oidc.ResponseMode{"", oidc.ResponseModeQuery, oidc.ResponseModeFragment, oidc.ResponseModeFormPost}
	if !slices.Contains(modes, req.ResponseMode) {
		return "", oidc.ErrInvalidRequest().WithDescription("response_mode must be query, fragment or form_post")
	}

	if err := checkPKCE(req); err != nil {
		return "", err
	}

	scopes, err := op.ValidateAuthReqScopes(shown, req.Scopes)
	if err != nil {
		return "", err
	}

	if !slices.Contains(scopes, oidc.ScopeOpenID) {
		return "", oidc.ErrInvalidScope().WithDescription("the scope must contain openid")
	}

	req.Scopes = scopes

	if req.MaxAge, err = op.ValidateAuthReqPrompt(req.Prompt, req.MaxAge); err != nil {
		return "", err
	}

	if slices.Contains(req.Prompt, oidc.PromptNone) {
		return "", oidc.ErrLoginRequired().WithDescription("the development provider always asks who signs in")
	}

	return p.expectedUser(r, req)
}

// checkPKCE wants S256. RFC 9700 section 2.1.1 makes PKCE a must for public clients, and
// plain protects nothing from somebody who reads the request.
func checkPKCE(req *oidc.AuthRequest) error {
	switch {
	case req.CodeChallenge == "":
		return oidc.ErrInvalidRequest().WithDescription("code_challenge is missing: PKCE with S256 is required")
	case req.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return oidc.ErrInvalidRequest().WithDescription("code_challenge_method must be S256")
	case !challengePattern.MatchString(req.CodeChallenge):
		return oidc.ErrInvalidRequest().WithDescription("code_challenge must be the base64url of a SHA-256, 43 characters")
	default:
		return nil
	}
}

func (p *provider) expectedUser(r *http.Request, req *oidc.AuthRequest) (string, error) {
	if req.IDTokenHint == "" {
		return req.LoginHint, nil
	}

	return op.ValidateAuthReqIDTokenHint(r.Context(), req.IDTokenHint, p.IDTokenHintVerifier(r.Context()))
}

// redirectError tells the app what went wrong, at a redirect URI found allowed.
func (p *provider) redirectError(w http.ResponseWriter, r *http.Request, req op.ErrAuthRequest, problem error) {
	answer := oidc.DefaultToServerError(problem, "")
	p.log.Info("refused an authorization request",
		zap.String("error", string(answer.ErrorType)), zap.String("description", answer.Description))

	answer.State = req.GetState()

	mode := oidc.ResponseMode("")
	if with, ok := req.(interface{ GetResponseMode() oidc.ResponseMode }); ok {
		mode = with.GetResponseMode()
	}

	to, err := op.AuthResponseURL(req.GetRedirectURI(), oidc.ResponseTypeCode, mode, answer, p.Encoder())
	if err != nil {
		p.page(w, http.StatusInternalServerError, "This sign-in cannot begin", "The app's redirect_uri cannot be used.")

		return
	}

	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // G710: callers pass a URI that allowsRedirect found good
}

func repeated(form url.Values, name string) bool {
	return len(form[name]) > 1
}
