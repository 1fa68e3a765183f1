package movein

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// scope is one of a Sync Gateway's configuration, or of what it says of a database.
type scope struct {
	Collections map[string]struct{} `json:"collections"`
}

// scopes are the collections of the source: of its configuration, which administrators see, or of
// what it tells everybody. None: there is only the default one.
func (m *move) scopes(ctx context.Context) (map[string]scope, error) {
	var said struct {
		Scopes map[string]scope `json:"scopes"`
		// Ours is a server of this kind.
		Ours struct {
			Collections map[string]struct{} `json:"collections"`
		} `json:"database"`
	}
	var refused error
	if m.admin {
		refused = m.source.JSON(ctx, http.MethodGet, "_config", nil, nil, &said)
		switch {
		case refused == nil && len(said.Ours.Collections) > 0:
			return scopesOf(said.Ours.Collections), nil
		case refused == nil && len(said.Scopes) > 0:
			return said.Scopes, nil
		case refused != nil && status(refused) == 0:
			return nil, refused
		}
	}
	// Sync Gateway names them here as well, also to those who may not read its configuration.
	err := m.source.JSON(ctx, http.MethodGet, "", nil, nil, &said)
	if err != nil || refused == nil || len(said.Scopes) > 0 {
		return said.Scopes, err
	}
	if status(refused) == http.StatusNotFound && !m.isGateway {
		m.unnamed = true // one of ours, whose configuration has nothing about the database
		return nil, nil
	}
	return nil, fmt.Errorf("%w does not say which collections it has (%w): sign in as somebody who may read that, or name each keyspace, as %s.<scope>.<collection>",
		ErrBadSource, refused, last(m.Source.URL))
}

// tellPairs says which collections are taken of a source that need not have named all of them.
func (m *move) tellPairs(pairs []pair) {
	var names []string
	for i := range pairs {
		names = append(names, pairs[i].name())
	}
	why := "is no admin port, and may not name all of its collections"
	if m.unnamed {
		why = "names no collections, since its configuration has nothing about the database"
	}
	m.Teller.Say("The source %s. Taken: %s. Any other is NOT: name it by itself, as %s.<scope>.<collection>.", why, strings.Join(names, ", "), last(m.Source.URL))
}

// scopesOf are collections as this server names them, beside which there is the default one.
func scopesOf(names map[string]struct{}) map[string]scope {
	scopes := make(map[string]scope)
	add := func(in, name string) {
		if scopes[in].Collections == nil {
			scopes[in] = scope{Collections: make(map[string]struct{})}
		}
		scopes[in].Collections[name] = struct{}{}
	}
	add(defaultName, defaultName)
	for name := range names {
		in, rest, ok := strings.Cut(name, ".")
		if !ok {
			in, rest = defaultName, name
		}
		add(in, rest)
	}
	return scopes
}

// gateway takes over users and roles of a Sync Gateway, and its sync functions for the Caddyfile.
func (m *move) gateway(ctx context.Context, pairs []pair) error {
	if !m.admin {
		m.Teller.Say("The source is no admin port: what the user there sees is taken; users, roles, channels and sync functions are not.")
		return nil
	}
	for i := range pairs {
		if err := m.syncFunction(ctx, &pairs[i]); err != nil {
			return err
		}
	}
	switch {
	case m.NoUsers:
		return nil
	case isKeyspace(m.Source.URL) || isKeyspace(m.Target.URL):
		m.Teller.Say("Users and roles are not taken: they belong to a database, and a collection was named.")
		return nil
	}
	if err := m.principals(ctx, "role", pairs); err != nil {
		return err
	}
	return m.principals(ctx, "user", pairs)
}

// syncFunction saves the one of a keyspace, or says that there is one.
func (m *move) syncFunction(ctx context.Context, p *pair) error {
	text, err := m.source.At(p.from).Text(ctx, "_config/sync")
	switch {
	case status(err) == http.StatusNotFound && !m.isGateway:
		return nil // one of ours, with another policy
	case status(err) == http.StatusNotFound:
		text = "" // before 3.0
	case err != nil && status(err) != 0:
		m.Teller.Say("The sync function of %s cannot be read: %s.", p.name(), err)
		return nil
	case err != nil:
		return err
	}
	if strings.TrimSpace(text) == "" {
		return m.defaultFunction(p)
	}
	return m.saveFunction(p, text)
}

// defaultFunction says what the function is of a keyspace that names none: in the default collection the document says
// its channels, and since Sync Gateway 3.1 all documents of another one are in the channel of its name.
func (m *move) defaultFunction(p *pair) error {
	if p.collection == "" {
		m.Teller.Say("The default collection shows no sync function of its own. Sync Gateway's default one is `access channels` in the database's block.")
		return nil
	}
	m.Teller.Say("%s has Sync Gateway's default sync function: all documents are in the channel %q.", p.name(), p.collection)
	name, err := json.Marshal(p.collection)
	if err != nil {
		return fmt.Errorf("writing the default sync function of %s: %w", p.name(), err)
	}
	return m.saveFunction(p, fmt.Sprintf("function (doc) { channel(%s) }\n", name))
}

func (m *move) saveFunction(p *pair, text string) error {
	if m.Save == nil {
		m.Teller.Say("%s has a sync function, which is not applied: --save-to <folder> writes it to a file for the Caddyfile.", p.name())
		return nil
	}
	where, err := m.Save(fileName(last(p.from)), text)
	if err != nil {
		return err
	}
	block := line("sync_function", where)
	if scope, collection := collectionOf(p.to); collection != "" {
		block = "collection " + scope + "." + collection + " {\n  \t" + block + "\n  }"
	}
	m.Teller.Say("The sync function of %s is in %s, and is not applied: read it, and write into the database's block\n  %s", p.name(), where, block)
	m.Teller.Say("  With another policy in force while the documents came, POST /%s/_resync has it judge them.", last(p.to))
	return nil
}

// fileName is the name of a sync function's file.
func fileName(keyspace string) string {
	clean := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c) {
			return c
		}
		return '_'
	}, strings.TrimLeft(keyspace, "."))
	return clean + ".sync.js"
}

// gatewayPrincipal is a user or a role as Sync Gateway tells of it.
type gatewayPrincipal struct {
	principal
	TokenRoles    []string `json:"jwt_roles"`
	TokenChannels []string `json:"jwt_channels"`
}

// principals takes over users or roles.
func (m *move) principals(ctx context.Context, kind string, pairs []pair) error {
	var all []string
	if err := m.source.JSON(ctx, http.MethodGet, "_"+kind+"/", nil, nil, &all); err != nil {
		switch status(err) {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
			m.Teller.Say("The %ss are not taken: %s.", kind, err)
			return nil
		}
		return err
	}
	var t tally
	var byToken uint64
	for i, name := range all {
		m.Teller.Progress(kind+"s", uint64(i), uint64(len(all)))
		var p gatewayPrincipal
		err := m.source.JSON(ctx, http.MethodGet, "_"+kind+"/"+url.PathEscape(name), nil, nil, &p)
		if status(err) == http.StatusNotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if name == "GUEST" || p.Name == "" {
			p.Access = m.within(p.Access, pairs)
			m.tellGuest(&p.principal)
			continue
		}
		p.Access, p.PasswordSet = m.within(p.Access, pairs), false
		if len(p.TokenRoles)+len(p.TokenChannels) > 0 {
			byToken++
		}
		if _, err := m.make(ctx, kind, &p.principal, &t); err != nil {
			return err
		}
	}
	m.counted(kind+"s", t)
	if t.bare > 0 {
		m.Teller.Say("  Sync Gateway gives no passwords away, nor their hashes: %d users have NONE here. Set one for each (PUT /%s/_user/<name>), or let\n"+
			"  them sign in at a provider: those with a jwt_issuer do at once.", t.bare, last(m.Target.URL))
	}
	if byToken > 0 {
		m.Teller.Say("  %d have roles or channels from their tokens: their next token brings them again (roles_claim, channels_claim).", byToken)
	}
	return nil
}

// within are the channels of the collections that are moved: others are not there.
func (m *move) within(all access, pairs []pair) access {
	kept := make(access)
	for name, collections := range all {
		for collection, channels := range collections {
			moved := slices.ContainsFunc(pairs, func(p pair) bool { return p.scope == name && p.collection == collection })
			if !moved || len(channels.Channels) == 0 {
				continue
			}
			if kept[name] == nil {
				kept[name] = make(map[string]struct {
					Channels []string `json:"admin_channels,omitempty"`
				})
			}
			kept[name][collection] = channels
		}
	}
	return kept
}

// tellGuest says what to write for the guest.
func (m *move) tellGuest(p *principal) {
	if p.Disabled {
		return
	}
	block := "guest"
	var lines []string
	if len(p.Channels) > 0 {
		lines = append(lines, line("channels", p.Channels...))
	}
	for _, scope := range sorted(p.Access) {
		for _, name := range sorted(p.Access[scope]) {
			lines = append(lines, line("collection", append([]string{scope + "." + name}, p.Access[scope][name].Channels...)...))
		}
	}
	if len(lines) > 0 {
		block += " {\n  \t" + strings.Join(lines, "\n  \t") + "\n  }"
	}
	m.Teller.Say("Guests may come in there. If they shall here, write into the database's block\n  %s", block)
}

// line is one of a Caddyfile, in which a block may not stand on one.
func line(word string, arguments ...string) string {
	for _, argument := range arguments {
		if strings.ContainsAny(argument, " \t\"`{}#") {
			argument = `"` + strings.ReplaceAll(argument, `"`, `\"`) + `"`
		}
		word += " " + argument
	}
	return word
}
