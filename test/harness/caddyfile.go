package harness

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"
)

// Settings are the lines put into the harness's Caddyfile, each a part of the block it
// names. The zero value is a site with the database notes, the development provider
// below /idp (users alice, bob and carol, client notes) and an administrator's site.
type Settings struct {
	Global   string // global options
	Sync     string // the sync block: further databases and providers
	Store    string // the badger block; default "memory 64MiB" and a small min_free
	Provider string // the oidc block of the development provider; default "register"
	Database string // the database block of notes
	// DatabaseOIDC names the providers of notes; default: the development provider.
	DatabaseOIDC string
	Databases    string // names mounted on both sites; default "notes"
	// AdminDatabases are the names mounted on the administrator's site; default Databases.
	AdminDatabases string
	Log            string // the site's log block; default none
	Before         string // the site, before sync
	Site           string // the site's sync block, such as cors
	AdminSite      string // the administrator's sync block; default "admin" with "allow loopback"
	IDP            string // the sync_dev_idp block
	IDPClient      string // the block of its client notes; default none
	Extra          string // further sites
	// NoIDP leaves the development provider out, of the site and of the database.
	NoIDP bool
	// Debug logs at debug level.
	Debug bool
}

// Place is where a server lives; Settings and Options.Caddyfile may use its fields as
// template fields, such as {{.Port}}.
type Place struct {
	Port, AdminPort, ControlPort int
	URL                          string // of the sync site, http://localhost:<Port>
	AdminURL                     string // of the administrator's site
	ControlURL                   string // of Caddy's own admin API
	Issuer                       string // of the development provider
	Dir                          string // holds everything below
	Store                        string // folder of the store
}

const caddyfileTemplate = `{
	admin localhost:{{.Place.ControlPort}}
	persist_config off
	{{if .Debug}}debug{{end}}
	{{.Global}}
	sync {
		store badger {{.Place.Store}} {
			{{or .Store "memory 64MiB\nmin_free 32MiB"}}
		}
		{{if not .NoIDP}}
		oidc dev {
			issuer    {{.Place.Issuer}}
			client_id notes
			{{or .Provider "username_claim sub\nregister"}}
		}
		{{end}}
		database notes {
			{{if .DatabaseOIDC}}oidc {{.DatabaseOIDC}}{{else if not .NoIDP}}oidc dev{{end}}
			{{.Database}}
		}
		{{.Sync}}
	}
}

http://localhost:{{.Place.Port}} {
	bind 127.0.0.1
	{{.Log}}
	{{.Before}}
	{{if not .NoIDP}}
	sync_dev_idp {
		issuer {{.Place.Issuer}}
		client notes {{if .IDPClient}}{
			{{.IDPClient}}
		}{{end}}
		users  alice bob carol
		data   {{.Place.Dir}}/idp
		{{.IDP}}
	}
	{{end}}
	sync {{or .Databases "notes"}} {
		{{.Site}}
	}
	respond 404
}

http://127.0.0.1:{{.Place.AdminPort}} {
	bind 127.0.0.1
	sync {{or .AdminDatabases .Databases "notes"}} {
		{{or .AdminSite "admin {\nallow loopback\n}"}}
	}
	respond 404
}

{{.Extra}}
`

// Caddyfile is the text of settings at a place.
func (s Settings) Caddyfile(p Place) (string, error) {
	var text strings.Builder

	data := struct {
		Settings
		Place Place
	}{s, p}

	if err := template.Must(template.New("Caddyfile").Parse(caddyfileTemplate)).Execute(&text, data); err != nil {
		return "", fmt.Errorf("writing the Caddyfile: %w", err)
	}

	// The settings may name fields of the place in turn.
	return p.expand(text.String())
}

func (p Place) expand(text string) (string, error) {
	parsed, err := template.New("Caddyfile").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf("reading the Caddyfile's template: %w", err)
	}

	var out bytes.Buffer
	if err := parsed.Execute(&out, p); err != nil {
		return "", fmt.Errorf("filling in the Caddyfile's template: %w", err)
	}

	return out.String(), nil
}
