package caddysync

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// anyView stands for all views, and behind "design/" for those of a design document.
const anyView = "*"

// validUserView refuses what names no view.
func validUserView(name string) error {
	design, view, ok := strings.Cut(name, "/")
	if name == anyView || ok && design != "" && view != "" {
		return nil
	}
	return fmt.Errorf("user_views %q: write design/view, design/* or *", name)
}

// userView reports whether users may query a view.
func (p *collectionPolicy) userView(design, view string) bool {
	return slices.ContainsFunc(p.userViews, func(name string) bool {
		return name == anyView || name == design+"/"+view || name == design+"/"+anyView
	})
}

// parseUserViews reads the views that users may query:
//
//	user_views <design/view...>
func (p *AccessPolicy) parseUserViews(d *caddyfile.Dispenser) error {
	if err := list(&p.UserViews)(d); err != nil {
		return err
	}
	for _, name := range p.UserViews {
		if err := validUserView(name); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}
