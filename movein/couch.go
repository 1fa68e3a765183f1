package movein

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// userPage is how many users are read at once.
const userPage = 200

// security is CouchDB's _security of a database.
type security struct {
	Admins  names `json:"admins"`
	Members names `json:"members"`
}

type names struct {
	Names []string `json:"names"`
	Roles []string `json:"roles"`
}

// lets reports whether a user may use the database.
func (s *security) lets(name string, roles []string) bool {
	if len(s.Members.Names)+len(s.Members.Roles) == 0 {
		return true
	}
	for _, group := range []names{s.Members, s.Admins} {
		if slices.Contains(group.Names, name) || slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(group.Roles, r) }) {
			return true
		}
	}
	return false
}

// couch takes over users and roles of a CouchDB, and says what else there is.
func (m *move) couch(ctx context.Context) error {
	var s security
	err := m.source.JSON(ctx, http.MethodGet, "_security", nil, nil, &s)
	if err != nil && status(err) == 0 {
		return err
	}
	known := err == nil
	if known {
		m.tellSecurity(&s)
	}
	if err := m.designDocuments(ctx); err != nil {
		return err
	}
	switch {
	case m.NoUsers:
		return nil
	case isKeyspace(m.Target.URL):
		m.Teller.Say("Users are not taken: they belong to a database, and the target is a collection.")
		return nil
	case !known:
		m.Teller.Say("Users are not taken: _security, which says who may use the database, cannot be read (%s).", err)
		return nil
	}
	return m.couchUsers(ctx, &s)
}

// tellSecurity says what to write in the Caddyfile for _security.
func (m *move) tellSecurity(s *security) {
	if len(s.Members.Names)+len(s.Members.Roles)+len(s.Admins.Names)+len(s.Admins.Roles) == 0 {
		m.Teller.Say("_security lets everybody in. Here only users of the database come in, and others if its block in the Caddyfile has `guest`.")
		return
	}
	m.Teller.Say("_security: members %s; administrators %s.", s.Members, s.Admins)
	m.Teller.Say("  Here whoever is a user of the database comes in: those whom _security lets in are made users. What they see is said by `access`,\n" +
		"  who administrates by `admin { allow … }` of a site, and whom a provider lets in by its `require` (docs/caddyfile.md).")
}

// String lists names and roles.
func (n names) String() string {
	var parts []string
	for _, name := range n.Names {
		parts = append(parts, strconv.Quote(name))
	}
	for _, role := range n.Roles {
		parts = append(parts, "role "+strconv.Quote(role))
	}
	if len(parts) == 0 {
		return "none are named"
	}
	if len(parts) > maxListed {
		parts = append(parts[:maxListed], fmt.Sprintf("and %d more", len(parts)-maxListed))
	}
	return strings.Join(parts, ", ")
}

// designDocuments says what of them means nothing here, or something else.
func (m *move) designDocuments(ctx context.Context) error {
	var answer struct {
		Rows []struct {
			ID  string                     `json:"id"`
			Doc map[string]json.RawMessage `json:"doc"`
		} `json:"rows"`
	}
	query := url.Values{"include_docs": {"true"}, "startkey": {`"_design/"`}, "endkey": {`"_design0"`}}
	err := m.source.JSON(ctx, http.MethodGet, "_all_docs", query, nil, &answer)
	if err != nil {
		return err
	}
	for _, row := range answer.Rows {
		var odd []string
		for _, member := range []string{"shows", "lists", "updates", "rewrites", "fulltext", "indexes", "nouveau", "st_indexes"} {
			if row.Doc[member] != nil {
				odd = append(odd, member)
			}
		}
		if language := string(row.Doc["language"]); language != "" && language != `"javascript"` && language != `"query"` {
			odd = append(odd, "language "+language)
		}
		if len(odd) > 0 {
			m.Teller.Say("%s: %s: kept as they are, and not run here (docs/design-documents.md).", row.ID, strings.Join(odd, ", "))
		}
		if row.Doc["validate_doc_update"] != nil {
			m.Teller.Say("%s: validate_doc_update judges writes here as well, those of this command among them.", row.ID)
		}
	}
	return nil
}

// couchUser is a document of CouchDB's _users.
type couchUser struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Roles      []string        `json:"roles"`
	Email      json.RawMessage `json:"email"`
	Scheme     string          `json:"password_scheme"`
	PRF        string          `json:"pbkdf2_prf"`
	Iterations int             `json:"iterations"`
	Salt       string          `json:"salt"`
	Key        string          `json:"derived_key"`
	SHA        string          `json:"password_sha"`
}

// hash is the password as this server takes it, "" if it cannot be taken, or there is none.
func (u *couchUser) hash() string {
	if u.Scheme != "pbkdf2" || u.Iterations < 1 {
		return ""
	}
	sum, err := hex.DecodeString(u.Key)
	if err != nil || len(sum) == 0 {
		return ""
	}
	prf := u.PRF
	if prf == "" {
		prf = "sha" // of CouchDB before 3.4, which knew only this one
	}
	name, ok := map[string]string{"sha": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}[prf]
	if !ok {
		return ""
	}
	b64 := base64.RawStdEncoding
	// The salt is used as it is written, in hex digits.
	return fmt.Sprintf("$pbkdf2-%s$i=%d$%s$%s", name, u.Iterations, b64.EncodeToString([]byte(u.Salt)), b64.EncodeToString(sum))
}

// couchUsers takes over the users that may use the database, with their roles.
func (m *move) couchUsers(ctx context.Context, s *security) error {
	users := m.source.At(below(above(m.Source.URL), "_users"))
	var made, roles tally
	var outside uint64
	known := make(map[string]bool)
	const first = "org.couchdb.user:"
	for start := first; ; {
		query := url.Values{"include_docs": {"true"}, "limit": {strconv.Itoa(userPage)}, "endkey": {`"org.couchdb.user;"`}}
		rows, err := rowsBehind[*couchUser](ctx, users, "_all_docs", query, start)
		if start == first && m.noUsersThere(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, row := range rows {
			u := row.Doc
			if u == nil || u.Name == "" || u.Type != "user" {
				continue
			}
			if !s.lets(u.Name, u.Roles) {
				outside++
				continue
			}
			p := &principal{Name: u.Name, PasswordHash: u.hash()}
			for _, role := range u.Roles {
				if strings.HasPrefix(role, "_") {
					continue // CouchDB's own
				}
				p.Roles = append(p.Roles, role)
				if !known[role] {
					known[role] = true
					if _, err := m.make(ctx, "role", &principal{Name: role}, &roles); err != nil {
						return err
					}
				}
			}
			bare, err := m.make(ctx, "user", p, &made)
			if err != nil {
				return err
			}
			if bare && made.bare <= maxListed {
				m.Teller.Say("user %q: the password is NOT taken (%s): set one, or let them sign in at a provider.", u.Name, u.why())
			}
		}
		m.Teller.Progress("users", made.made+made.there, 0)
		if len(rows) == 0 {
			break
		}
		start = rows[len(rows)-1].ID
	}
	m.counted("roles", roles)
	m.counted("users", made)
	if made.bare > 0 {
		m.Teller.Say("%d users have no password here.", made.bare)
	}
	if with := made.made + made.there - made.bare; with > 0 {
		m.Teller.Say("%d users have a password here, those that were made now the one that they had: they sign in with it where the database has `password_auth`.", with)
	}
	if outside > 0 {
		m.Teller.Say("%d users of the server may not use the database (its _security), and are left out.", outside)
	}
	return nil
}

// noUsersThere reports whether an answer means that there are no users to be had, and says so.
func (m *move) noUsersThere(err error) bool {
	switch status(err) {
	case http.StatusNotFound:
		m.Teller.Say("Users are not taken: there is no _users at the source.")
		return true
	case http.StatusUnauthorized, http.StatusForbidden:
		m.Teller.Say("Users are not taken: _users cannot be read (%s). A server administrator's credentials are needed.", err)
		return true
	}
	return false
}

// why says why a password cannot be taken.
func (u *couchUser) why() string {
	switch {
	case u.Key == "" && u.SHA == "":
		return "there is none"
	case u.hash() != "":
		return "the user was here without one"
	case u.SHA != "" || u.Scheme == "simple":
		return "its hash is one round of SHA-1, which is not taken"
	}
	return fmt.Sprintf("its hash has the scheme %q, which is not taken", u.Scheme+" "+u.PRF)
}
