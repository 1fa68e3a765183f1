package caddysync

import (
	"encoding/json"
	"fmt"
)

// hiddenSecret stands for a secret, as in Sync Gateway's answers. URLs with a password in
// them are refused where they are configured.
const hiddenSecret = "xxxxx"

// databaseDescription is what administrators are told of a database's configuration: its
// policy, and the providers that it names, as the JSON configuration has them.
type databaseDescription struct {
	Name     string                  `json:"name"`
	Database *Database               `json:"database"`
	OIDC     map[string]*Provider    `json:"oidc,omitempty"`
	JWT      map[string]*JWTProvider `json:"jwt,omitempty"`
}

func (a *App) describeDatabase(name string, d *Database) ([]byte, error) {
	description := databaseDescription{Name: name, Database: d, OIDC: map[string]*Provider{}, JWT: map[string]*JWTProvider{}}
	for _, provider := range d.OIDC {
		if p := a.OIDC[provider]; p != nil {
			description.OIDC[provider] = p.withoutSecrets()
		}
	}
	for _, provider := range d.JWT {
		if p := a.JWT[provider]; p != nil {
			description.JWT[provider] = p
		}
	}
	text, err := json.Marshal(description)
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration of %s: %w", name, err)
	}
	return text, nil
}

func (p *Provider) withoutSecrets() *Provider {
	shown := *p
	if shown.ClientSecret != "" {
		shown.ClientSecret = hiddenSecret
	}
	return &shown
}
