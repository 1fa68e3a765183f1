package caddysync

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/replication/rest"
)

// CORS says which other origins' scripts may use a site.
type CORS struct {
	// The origins, such as https://app.example.com, or `*` for any. Required.
	Origins []string `json:"origins,omitempty"`

	// Whether browsers send the session cookie along. Not with `*`. Default: false.
	Credentials bool `json:"credentials,omitempty"`

	// Request headers that scripts may send beside the usual ones.
	Headers []string `json:"headers,omitempty"`

	// How long browsers may keep the answer to a preflight. Default: 2h.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
}

func (c *CORS) config() *rest.CORS {
	if c == nil {
		return nil
	}
	return &rest.CORS{
		Origins: c.Origins, Credentials: c.Credentials, Headers: c.Headers, MaxAge: time.Duration(c.MaxAge),
	}
}
