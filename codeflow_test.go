package caddysync

import (
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"
)

func TestCodeFlowOptionsReachTheProvider(t *testing.T) {
	t.Setenv("CODE_FLOW_SECRET", "s3cret\n")
	t.Setenv("CODE_FLOW_HOST", "sync.example.com")
	p := Provider{
		Issuer: "https://idp.example.com", ClientIDs: []string{"app"},
		CodeFlow: CodeFlow{
			ClientSecret: "{env.CODE_FLOW_SECRET}", CallbackURL: "https://{env.CODE_FLOW_HOST}/notes/_oidc_callback",
			Scopes: []string{"openid"}, IncludeAccess: true, DisableSession: true, RefreshByQuery: true, ResponseMode: "form_post",
		},
	}
	got, err := p.config("idp", caddy.NewReplacer())
	require.NoError(t, err)
	require.Equal(t, "s3cret", got.ClientSecret, "a file ends with a line break")
	require.Equal(t, "https://sync.example.com/notes/_oidc_callback", got.CallbackURL)
	require.Equal(t, []string{"openid"}, got.Scopes)
	require.Equal(t, "form_post", got.ResponseMode)
	require.True(t, got.IncludeAccess && got.DisableSession && got.RefreshByQuery)

	p.CodeFlow = CodeFlow{ClientSecretKey: &ClientSecretKey{File: "/etc/{env.CODE_FLOW_HOST}.p8", KeyID: "k", Team: "t"}}
	got, err = p.config("idp", caddy.NewReplacer())
	require.NoError(t, err)
	require.Equal(t, "/etc/sync.example.com.p8", got.ClientSecretKey.File)

	p.CodeFlow = CodeFlow{ClientSecret: "literal"}
	_, err = p.config("idp", caddy.NewReplacer())
	require.ErrorIs(t, err, ErrLiteralSecret)
	require.NotContains(t, err.Error(), "literal\"")
}

// What a page of another origin may be returned to is what may read answers; `*` is no
// origin to return to.
func TestReturnOriginsAreThoseOfCORS(t *testing.T) {
	t.Parallel()
	h := &Handler{PathPrefix: "/api", CORS: &CORS{Origins: []string{"https://app.example.com", "*"}}}
	require.NoError(t, h.provisionSite())
	require.Equal(t, []string{"https://app.example.com"}, h.site.ReturnOrigins)
	require.Equal(t, "/api", h.site.Prefix)
	require.Equal(t, []string{"https://app.example.com", "*"}, h.CORS.Origins)
}
