// Package devidp is a development identity provider.
package devidp

import (
	_ "github.com/caddyserver/caddy/v2"
	_ "github.com/go-jose/go-jose/v4"
	_ "github.com/stretchr/testify/require"
	_ "github.com/zitadel/oidc/v3/pkg/op"
)
