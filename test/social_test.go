package test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/caddysync/caddy-sync/test/standin"
	"github.com/stretchr/testify/require"
)

// social is the server of an example whose identity provider is a stand-in.
type social struct {
	*harness.Server

	internet *standin.Internet
}

// issuerLine is where an example says whose tokens it takes.
var issuerLine = regexp.MustCompile(`(?m)^(\t+)issuer (\S+)\n`)

// socialExample is an example's Caddyfile for this machine: its public site on a loopback
// port, and the stand-ins' authority. All that it says about the provider stays.
func socialExample(t *testing.T, name string, internet *standin.Internet) string {
	t.Helper()

	text := readFile(t, "examples", name, "Caddyfile")

	for old, loopback := range map[string]string{
		"\n{\n":                     "\n{\n\tadmin localhost:{{.ControlPort}}\n\tpersist_config off\n",
		"\nsync.{$SYNC_DOMAIN} {\n": "\nhttp://localhost:{{.Port}} {\n\tbind 127.0.0.1\n",
		":4985 {\n":                 ":{{.AdminPort}} {\n",
		"min_free 1GiB":             "min_free 32MiB",
	} {
		require.Equal(t, 1, strings.Count(text, old), "%q in %s", old, name)
		text = strings.Replace(text, old, loopback, 1)
	}

	require.Len(t, issuerLine.FindAllString(text, -1), 1)

	return issuerLine.ReplaceAllString(text, "${0}${1}ca_file "+internet.CAFile+"\n")
}

// newSocial starts an example with its variables, "NAME=value".
func newSocial(t *testing.T, name string, internet *standin.Internet, variables ...string) *social {
	t.Helper()

	return newSocialIn(t, "", name, internet, variables...)
}

// newSocialIn starts it in a folder that has the files that the example names.
func newSocialIn(t *testing.T, folder, name string, internet *standin.Internet, variables ...string) *social {
	t.Helper()

	env := append(internet.Env(), "SYNC_DOMAIN=example.com")
	server := harness.New(t, harness.Options{Caddyfile: socialExample(t, name, internet), Dir: folder, Env: append(env, variables...)})

	return &social{server, internet}
}

// user is what GET /notes/_session says about the caller.
type user struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
}

func (s *social) as(t *testing.T, token string) (int, user, string) {
	t.Helper()

	got := ask(t, s.Server, request{url: "/notes/_session", header: map[string]string{"Authorization": "Bearer " + token}})

	var answer struct {
		User user `json:"userCtx"`
	}

	require.NoError(t, json.Unmarshal([]byte(got.body), &answer))

	return got.status, answer.User, got.body
}

// signsIn checks who a token's bearer is, and that it is enough to write, to read and to
// have a session.
func (s *social) signsIn(t *testing.T, token, name string, roles ...string) {
	t.Helper()

	status, who, body := s.as(t, token)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, name, who.Name)
	require.ElementsMatch(t, roles, who.Roles)

	header := map[string]string{"Authorization": "Bearer " + token}
	made := ask(t, s.Server, request{method: http.MethodPost, url: "/notes/_session", header: header})
	require.Equal(t, http.StatusOK, made.status, made.body)

	pair, _, _ := strings.Cut(made.header.Get("Set-Cookie"), ";")
	header = map[string]string{"Cookie": pair, "Origin": s.URL, "Sec-Fetch-Site": "same-origin"}
	put := ask(t, s.Server, request{method: http.MethodPut, url: "/notes/by-" + strings.ReplaceAll(name, "%", "."), body: `{}`, header: header})
	require.Contains(t, []int{http.StatusCreated, http.StatusConflict}, put.status, put.body)
}

// refuses checks that a token signs nobody in.
func (s *social) refuses(t *testing.T, why, token string) {
	t.Helper()

	status, who, body := s.as(t, token)
	require.Equal(t, http.StatusUnauthorized, status, "%s: %s", why, body)
	require.Empty(t, who.Name, why)
}

// forbids checks that a good token's owner is not one of those who may sign in.
func (s *social) forbids(t *testing.T, why, token string) {
	t.Helper()

	status, who, body := s.as(t, token)
	require.Equal(t, http.StatusForbidden, status, "%s: %s", why, body)
	require.Empty(t, who.Name, why)
}

// refusesOthers are the cases that are the same for every provider.
func (s *social) refusesOthers(t *testing.T, p *standin.Provider) {
	t.Helper()

	s.refuses(t, "signed by somebody else", p.Forged())
	s.refuses(t, "of another app", p.Token(map[string]any{"aud": "another-app"}))
	s.refuses(t, "of another issuer", p.Token(map[string]any{"iss": "https://login.example.net"}))
	s.refuses(t, "expired", p.Token(map[string]any{"exp": 1_700_000_000}))
	s.refuses(t, "without a subject", p.Token(map[string]any{"sub": standin.Without}))
}

// The IDs under which the examples' apps are registered.
const (
	googleWeb     = "1008719970978-web.apps.googleusercontent.com"
	googleAndroid = "1008719970978-android.apps.googleusercontent.com"
	googleIOS     = "1008719970978-ios.apps.googleusercontent.com"
	appleBundle   = "com.example.notes"
	appleServices = "com.example.notes.web"
	entraClient   = "6731de76-14a6-49ae-97bc-6eba6914391e"
	entraContoso  = "b9419818-09af-49c2-b0c3-653adc1f376e"
	entraFabrikam = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	keycloakRealm = "https://sso.example.com/realms/notes"
)

// What the example's comments say that the stand-ins' user is called here, and which
// roles the token gives.
const (
	googleName   = "google_107691503500061507151"
	appleName    = "apple_001473.9f3e7a2c5b1d4e8fa0b6c2d8e4f01357.0942"
	entraName    = "entra_00000000-0000-0000-66f3-3332eca7ea81"
	entraRole    = "Notes.Editor"
	keycloakName = "alice"
)

func newGoogle(t *testing.T) (*social, *standin.Provider) {
	t.Helper()

	internet := standin.NewInternet(t)
	google := standin.Google(internet, googleWeb, "a google secret", googleAndroid, "example.com")

	return newSocial(t, "google", internet, "GOOGLE_CLIENT_ID="+googleWeb, "GOOGLE_IOS_CLIENT_ID="+googleIOS,
		"GOOGLE_WORKSPACE=example.com", "GOOGLE_CLIENT_SECRET=a google secret"), google
}

func newApple(t *testing.T) (*social, *standin.Provider) {
	t.Helper()

	key, err := standin.NewAppleKey()
	require.NoError(t, err)

	p8, err := key.P8()
	require.NoError(t, err)

	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "AuthKey.p8"), p8, 0o600))

	internet := standin.NewInternet(t)
	apple := standin.Apple(internet, appleBundle, appleServices, key)

	return newSocialIn(t, folder, "apple", internet, "APPLE_BUNDLE_ID="+appleBundle, "APPLE_SERVICES_ID="+appleServices,
		"APPLE_KEY_ID="+key.ID, "APPLE_TEAM_ID="+key.Team), apple
}

func newEntra(t *testing.T) (*social, *standin.Provider) {
	t.Helper()

	internet := standin.NewInternet(t)
	entra := standin.Entra(internet, entraClient, "an entra secret", entraContoso)

	return newSocial(t, "microsoft-entra", internet, "ENTRA_CLIENT_ID="+entraClient,
		"ENTRA_TENANTS="+entraContoso+" "+entraFabrikam, "ENTRA_CLIENT_SECRET=an entra secret"), entra
}

func newKeycloak(t *testing.T) (*social, *standin.Provider) {
	t.Helper()

	internet := standin.NewInternet(t)
	keycloak := standin.Keycloak(internet, keycloakRealm, "notes-web", "a keycloak secret")

	return newSocial(t, "keycloak", internet, "KEYCLOAK_REALM="+keycloakRealm, "KEYCLOAK_CLIENT_ID=notes-web",
		"KEYCLOAK_APP_IDS=notes-app", "KEYCLOAK_CLIENT_SECRET=a keycloak secret"), keycloak
}

// keycloakRoles are the user's; Keycloak's own are among them.
func keycloakRoles() []string { return []string{"default-roles-notes", "offline_access", "editor"} }

// later is the iat of a token that is newer than those before it, within the clock skew:
// the newest says which roles a user has.
func later() int64 { return time.Now().Unix() + 2 }

func TestSocialGoogle(t *testing.T) {
	t.Parallel()

	s, google := newGoogle(t)

	s.signsIn(t, google.Token(nil), googleName)
	s.signsIn(t, google.Token(map[string]any{"iss": "accounts.google.com"}), googleName)
	s.signsIn(t, google.Token(map[string]any{"aud": googleIOS, "azp": googleIOS}), googleName)
	s.signsIn(t, google.Token(map[string]any{"azp": standin.Without, "email": "renamed@example.com"}), googleName)

	s.refusesOthers(t, google)
	s.refuses(t, "for the Android app itself", google.Token(map[string]any{"aud": googleAndroid}))
	s.refuses(t, "an issuer that only looks like it", google.Token(map[string]any{"iss": "http://accounts.google.com"}))
	s.forbids(t, "of another Workspace", google.Token(map[string]any{"hd": "example.org"}))
	s.forbids(t, "a private account", google.Token(map[string]any{"hd": standin.Without, "email": "alice@gmail.com"}))
}

func TestSocialApple(t *testing.T) {
	t.Parallel()

	s, apple := newApple(t)

	s.signsIn(t, apple.Token(nil), appleName)
	s.signsIn(t, apple.Token(map[string]any{"aud": appleServices, "email_verified": true, "is_private_email": false}), appleName)
	s.signsIn(t, apple.Token(map[string]any{"email": standin.Without, "email_verified": standin.Without}), appleName)

	s.refusesOthers(t, apple)
}

func TestSocialMicrosoftEntra(t *testing.T) {
	t.Parallel()

	const (
		stranger = "0e3a1c9d-5b7f-4c2e-8d61-9a4b7c8d2e10"
		private  = "9188040d-6c67-4c5b-b112-36a304b66dad"
	)

	of := func(iss, tid string) map[string]any {
		return map[string]any{"iss": "https://login.microsoftonline.com/" + iss + "/v2.0", "tid": tid}
	}

	s, entra := newEntra(t)

	s.signsIn(t, entra.Token(nil), entraName, entraRole)

	bob := of(entraFabrikam, entraFabrikam)
	bob["oid"], bob["sub"], bob["roles"] = "11111111-2222-3333-4444-555555555555", "BBBBBBBBBBBBBBBBBBBBAIkzqFVrSaSaFHy782bbtaQ", standin.Without
	s.signsIn(t, entra.Token(bob), "entra_11111111-2222-3333-4444-555555555555")

	s.refusesOthers(t, entra)
	s.refuses(t, "of a tenant that is not listed", entra.Token(of(stranger, stranger)))
	s.refuses(t, "a private account", entra.Token(of(private, private)))
	s.refuses(t, "a listed tenant in iss only", entra.Token(of(entraContoso, stranger)))
	s.refuses(t, "a listed tenant in tid only", entra.Token(of(stranger, entraContoso)))
	s.refuses(t, "two listed tenants", entra.Token(of(entraContoso, entraFabrikam)))
	s.refuses(t, "without tid", entra.Token(map[string]any{"tid": standin.Without}))
	s.refuses(t, "the template itself", entra.Token(of("{tenantid}", "{tenantid}")))
	s.refuses(t, "a token of v1.0", entra.Token(map[string]any{"iss": "https://sts.windows.net/" + entraContoso + "/", "ver": "1.0"}))

	// Somebody of another tenant takes nobody's name, whatever oid their token has.
	taken := of(entraFabrikam, entraFabrikam)
	taken["sub"] = "CCCCCCCCCCCCCCCCCCCCAIkzqFVrSaSaFHy782bbtaQ"
	s.forbids(t, "another tenant's oid", entra.Token(taken))
}

func TestSocialFacebook(t *testing.T) {
	t.Parallel()

	internet := standin.NewInternet(t)
	facebook := standin.Facebook(internet, "530053863835233")
	s := newSocial(t, "facebook", internet, "FACEBOOK_APP_ID=530053863835233")

	s.signsIn(t, facebook.Token(nil), "facebook_104997728422575")
	s.signsIn(t, facebook.Token(map[string]any{"email": standin.Without, "nonce": standin.Without}), "facebook_104997728422575")
	require.Equal(t, []string{"https://limited.facebook.com/.well-known/oauth/openid/jwks/"}, internet.Fetched())

	s.refusesOthers(t, facebook)
	s.refuses(t, "of the old issuer", facebook.Token(map[string]any{"iss": "https://facebook.com"}))
}

func TestSocialAuth0(t *testing.T) {
	t.Parallel()

	const roles = "https://sync.example.com/roles"

	internet := standin.NewInternet(t)
	auth0 := standin.Auth0(internet, "acme.eu.auth0.com", "mobile-ios", roles)
	s := newSocial(t, "auth0", internet, "AUTH0_DOMAIN=acme.eu.auth0.com", "AUTH0_CLIENT_IDS=mobile-ios mobile-android")

	s.signsIn(t, auth0.Token(nil), "auth0_auth0%7C6507f8a1e4b0c2d3f4a5b6c7", "editor", "reader")
	s.signsIn(t, auth0.Token(map[string]any{"aud": "mobile-android", "sub": "google-oauth2|1076", roles: standin.Without}), "auth0_google-oauth2%7C1076")

	s.refusesOthers(t, auth0)
	s.refuses(t, "of another tenant", auth0.Token(map[string]any{"iss": "https://evil.eu.auth0.com/"}))
	s.refuses(t, "without the slash", auth0.Token(map[string]any{"iss": "https://acme.eu.auth0.com"}))
	s.forbids(t, "an address that nobody verified", auth0.Token(map[string]any{"email_verified": false}))
}

func TestSocialKeycloak(t *testing.T) {
	t.Parallel()

	s, keycloak := newKeycloak(t)

	s.signsIn(t, keycloak.Token(nil), keycloakName, keycloakRoles()...)

	app := keycloak.Token(map[string]any{"aud": []string{"notes-app", "account"}, "azp": "notes-app", "realm_access": standin.Without, "iat": later()})
	s.signsIn(t, app, keycloakName)

	s.refusesOthers(t, keycloak)
	s.refuses(t, "of another realm", keycloak.Token(map[string]any{"iss": "https://sso.example.com/realms/master"}))
	s.refuses(t, "an access token", keycloak.Token(map[string]any{"typ": "Bearer", "aud": "account", "scope": "openid"}))
	s.refuses(t, "made for another client", keycloak.Token(map[string]any{"aud": []string{"notes-web", "shop"}, "azp": "shop"}))

	// Somebody else who is now called alice does not get her notes.
	s.forbids(t, "a name that is taken", keycloak.Token(map[string]any{"sub": "00000000-1f0e-4e2b-8b77-0d0a6a1c2b3d"}))
}

func TestSocialKeycloakSignsOut(t *testing.T) {
	t.Parallel()

	s, keycloak := newKeycloak(t)
	bearer := map[string]string{"Authorization": "Bearer " + keycloak.Token(nil)}
	made := ask(t, s.Server, request{method: http.MethodPost, url: "/notes/_session", header: bearer})
	require.Equal(t, http.StatusOK, made.status, made.body)

	session := request{url: "/notes", header: map[string]string{"Cookie": cookies(made)}}
	require.Equal(t, http.StatusOK, ask(t, s.Server, session).status)

	tell := func(token string) reply {
		return ask(t, s.Server, request{
			method: http.MethodPost, url: "/notes/_oidc_backchannel_logout", body: url.Values{"logout_token": {token}}.Encode(),
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		})
	}

	wrong := tell(keycloak.LogoutToken(map[string]any{"aud": "shop"}))
	require.Equal(t, http.StatusBadRequest, wrong.status, wrong.body)
	require.Equal(t, http.StatusOK, ask(t, s.Server, session).status)

	told := tell(keycloak.LogoutToken(nil))
	require.Equal(t, http.StatusOK, told.status, told.body)
	require.Equal(t, http.StatusUnauthorized, ask(t, s.Server, session).status)
}

func TestSocialCognito(t *testing.T) {
	t.Parallel()

	const region, pool, client = "eu-central-1", "eu-central-1_a1B2c3D4e", "3n4b5urk1ft4fl3mg5e62d9ado"

	internet := standin.NewInternet(t)
	cognito := standin.Cognito(internet, region, pool, client)
	s := newSocial(t, "cognito", internet, "COGNITO_REGION="+region, "COGNITO_USER_POOL="+pool, "COGNITO_CLIENT_IDS="+client)

	const alice = "cognito_a3f4c8d2-5061-70b3-4e1c-9d2f7a8b6c50"

	s.signsIn(t, cognito.Token(nil), alice, "editors", "eu-central-1_a1B2c3D4e_Google")
	s.signsIn(t, cognito.Token(map[string]any{"cognito:groups": standin.Without, "iat": later()}), alice)

	s.refusesOthers(t, cognito)
	s.refuses(t, "of another user pool", cognito.Token(map[string]any{"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_other"}))
	s.refuses(t, "an access token", cognito.Token(map[string]any{
		"token_use": "access", "aud": standin.Without, "client_id": client, "scope": "openid", "username": "alice",
	}))
	s.forbids(t, "an access token with an audience", cognito.Token(map[string]any{"token_use": "access"}))
}
