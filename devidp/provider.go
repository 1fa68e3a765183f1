package devidp

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/zitadel/oidc/v3/pkg/op"
	"go.uber.org/zap"
)

// The endpoints, below the issuer's path.
const (
	pathDiscovery = "/.well-known/openid-configuration"
	pathAuthorize = "/authorize"
	pathLogin     = "/login"
	pathToken     = "/token"
	pathUserinfo  = "/userinfo"
	pathRevoke    = "/revoke"
	pathLogout    = "/logout"
	pathSignedOut = "/signed-out"
	pathKeys      = "/keys"
	pathDevToken  = "/dev/token"
	pathDevRotate = "/dev/rotate"
)

// maxBody bounds a request body, in bytes.
const maxBody = 64 << 10

// shared is what survives a reload: it is pooled by issuer and data folder.
type shared struct {
	keys   *keyring
	logins *logins
	crypto op.Crypto // of codes and access tokens
}

var _ caddy.Destructor = (*shared)(nil)

func newShared(folder string) *shared {
	var key [32]byte

	_, _ = rand.Read(key[:]) // never fails: crypto/rand.Read

	return &shared{
		keys:   &keyring{file: keyFile{folder: folder}},
		logins: newLogins(),
		crypto: op.NewAES256GCMCrypto(key, ""),
	}
}

// Destruct has nothing to close: logins end with the memory, and the keys are in their file.
func (*shared) Destruct() error { return nil }

// provider answers the requests of one configuration.
type provider struct {
	*op.Provider
	settings

	storage *storage
	routes  map[string]route
	csrf    *http.CrossOriginProtection
	log     *zap.Logger
}

// route is one endpoint.
type route struct {
	methods []string
	serve   http.HandlerFunc
	cors    bool // pages of other loopback origins may call it by script
	cache   bool // holds nothing secret
}

func newProvider(s settings, state *shared, log *zap.Logger) (*provider, error) {
	store := &storage{
		settings: s, keys: state.keys, logins: state.logins,
		backchannel: newBackchannel(s, state.keys, log),
	}

	var names []string
	for _, algorithm := range algorithms() {
		names = append(names, string(algorithm))
	}

	library, err := op.NewProvider(
		&op.Config{
			CodeMethodS256:           true,
			GrantTypeRefreshToken:    true,
			DefaultLogoutRedirectURI: s.url(pathSignedOut),

			BackChannelLogoutSupported:        true,
			BackChannelLogoutSessionSupported: true,
		},
		store, op.StaticIssuer(s.issuer),
		op.WithAllowInsecure(), // plain HTTP; the issuer is on loopback, see newSettings
		op.WithCrypto(state.crypto),
		op.WithCustomEndpoints(
			op.NewEndpoint(pathAuthorize), op.NewEndpoint(pathToken), op.NewEndpoint(pathUserinfo),
			op.NewEndpoint(pathRevoke), op.NewEndpoint(pathLogout), op.NewEndpoint(pathKeys)),
		op.WithIDTokenHintVerifierOpts(op.WithSupportedIDTokenHintSigningAlgorithms(names...)),
	)
	if err != nil {
		return nil, fmt.Errorf("building the provider: %w", err)
	}

	p := &provider{
		Provider: library, settings: s, storage: store,
		csrf: http.NewCrossOriginProtection(), log: log,
	}
	p.routes = p.endpoints()

	return p, nil
}

// GrantTypeJWTAuthorizationSupported keeps the library from offering a grant for which
// clients would need keys.
func (*provider) GrantTypeJWTAuthorizationSupported() bool { return false }

func (p *provider) endpoints() map[string]route {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	both := slices.Concat(get, post)

	return map[string]route{
		pathDiscovery: {methods: get, serve: p.discovery, cors: true, cache: true},
		pathKeys:      {methods: get, serve: p.keySet, cors: true, cache: true},
		pathAuthorize: {methods: both, serve: p.authorize},
		pathLogin:     {methods: both, serve: p.login},
		pathToken:     {methods: post, serve: p.token, cors: true},
		pathUserinfo:  {methods: both, serve: p.userinfo, cors: true},
		pathRevoke:    {methods: post, serve: p.revoke, cors: true},
		pathLogout:    {methods: both, serve: p.logout},
		pathSignedOut: {methods: get, serve: p.signedOut},
		pathDevToken:  {methods: post, serve: p.devToken, cors: true},
		pathDevRotate: {methods: post, serve: p.devRotate},
	}
}

// answers tells whether a path of the site is the provider's: all below the issuer's
// path or, if the issuer has none, the endpoints alone.
func (p *provider) answers(path string) (endpoint string, ok bool) {
	endpoint, ok = strings.CutPrefix(path, p.base)
	if !ok {
		return "", false
	}

	if _, known := p.routes[endpoint]; known {
		return endpoint, true
	}

	return endpoint, p.base != "" && (endpoint == "" || endpoint[0] == '/')
}

// serve answers a request for an endpoint.
func (p *provider) serve(w http.ResponseWriter, r *http.Request, endpoint string) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store") // RFC 6749 section 5.1
	header.Set("Referrer-Policy", "no-referrer")
	header.Add("Vary", "Origin")

	if err := checkLoopback(r); err != nil {
		p.log.Warn("refused a request that may not be from this machine", zap.Error(err))
		http.Error(w, err.Error()+".\nIt lets anybody sign in as anybody, so it must not be reachable from elsewhere.", http.StatusForbidden)

		return
	}

	// A page of another site can make the browser send requests, though not read the
	// answers; there is no reason to serve them.
	origin := r.Header.Get("Origin")
	if origin != "" && !isLoopbackOrigin(origin) && r.Method != http.MethodGet && r.Method != http.MethodHead && !p.sameOrigin(r) {
		http.Error(w, fmt.Sprintf("%s: the request was made by a page of %q.", ErrNotLoopback, origin), http.StatusForbidden)

		return
	}

	found, ok := p.routes[endpoint]
	if !ok {
		http.Error(w, "The development identity provider has nothing here. Begin at "+p.url(pathDiscovery), http.StatusNotFound)

		return
	}

	p.dispatch(w, r, found, origin)
}

// sameOrigin tells whether the browser itself says that the request is from our own
// page, whose Origin is "null" if something strips referrers.
func (*provider) sameOrigin(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

func (p *provider) dispatch(w http.ResponseWriter, r *http.Request, to route, origin string) {
	header := w.Header()

	if to.cache {
		header.Set("Cache-Control", "no-cache")
	}

	if to.cors && isLoopbackOrigin(origin) {
		header.Set("Access-Control-Allow-Origin", origin)

		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", strings.Join(to.methods, ", "))
			header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, X-Requested-With")
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)

			return
		}
	}

	if !slices.Contains(to.methods, r.Method) {
		header.Set("Allow", strings.Join(to.methods, ", "))
		http.Error(w, "This endpoint takes "+strings.Join(to.methods, ", ")+".", http.StatusMethodNotAllowed)

		return
	}

	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	to.serve(w, r.WithContext(op.ContextWithIssuer(r.Context(), p.issuer)))
}
