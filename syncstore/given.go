package syncstore

// GrantSource is who gave a grant that comes from no document.
type GrantSource string

const (
	// GrantedByAdmin is what an administrator gave.
	GrantedByAdmin GrantSource = "admin"
	// GrantedByToken is what the newest token gave. It counts where Viewer.TokenGrants is
	// set.
	GrantedByToken GrantSource = "token"
)

// Given is a channel or a role that a principal was given.
type Given struct {
	// Scope and Collection say where the channel is; both empty: _default._default.
	Scope, Collection string
	// Everywhere gives the channel in all collections.
	Everywhere bool
	Channel    string
	// Role, instead of a channel, is a role that a user gets. A role gives what it has from
	// when it was given to itself: that is how the index knows that there is such a role.
	Role string
}

// RolePrincipal is the principal of a role.
func RolePrincipal(role string) string { return rolePrincipal + role }

// givenKey is whose grants are replaced, and by whom.
type givenKey struct {
	db        *Database
	principal string
	source    GrantSource
}

func (t *recordTx) SetGrants(id uint32, principal string, source GrantSource, grants []Given) {
	if !t.live(id) {
		return
	}
	db := t.store.databaseByID(id)
	if db == nil {
		t.err = ErrNoDatabase
		return
	}
	if t.overlay.given == nil {
		t.overlay.given = make(map[givenKey][]Given)
	}
	t.overlay.given[givenKey{db, principal, source}] = grants
}

// grantSets returns the change sets that bring about what SetGrants asked for: one for each
// database in which something changes.
func (o *overlay) grantSets() ([]*changeSet, error) {
	sets := make(map[*Database]*changeSet)
	for key, grants := range o.given {
		set := sets[key.db]
		if set == nil {
			set = &changeSet{db: key.db}
			sets[key.db] = set
		}
		changes := newGrantChanges(set, key.db.store.options.Now().Unix())
		if err := changes.replace(o.tx, key.db.scope, key.principal, givenBy(key.source), key.desired(grants)); err != nil {
			return nil, err
		}
	}
	var changed []*changeSet
	for _, set := range sets {
		if len(set.principals) > 0 {
			changed = append(changed, set)
		}
	}
	return changed, nil
}

// desired is what the index is to have.
func (k givenKey) desired(grants []Given) map[granted]struct{} {
	all := make(map[granted]struct{}, len(grants))
	for _, given := range grants {
		g := granted{principal: k.principal, source: givenBy(k.source), in: inEverything, name: given.Channel}
		switch {
		case given.Role != "":
			g.in, g.name = inRoles, given.Role
		case !given.Everywhere:
			c, ok := k.db.Collection(given.Scope, given.Collection)
			if !ok {
				continue
			}
			g.in = c.scope.collection
		}
		all[g] = struct{}{}
	}
	return all
}
