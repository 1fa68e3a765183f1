package auth

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// tenantPlaceholder stands in the issuer of Microsoft Entra's discovery document for all
// tenants, and in our configuration (DECISIONS 21).
const tenantPlaceholder = "{tenantid}"

// tenantID is the form of the tid claim: no more than a GUID needs, so that nothing of
// it can change what the rest of the issuer means.
var tenantID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// checkTenants refuses an issuer for all tenants without the list of those that may
// sign in: anybody can make a tenant, and be anybody in it.
func (p *Provider) checkTenants() error {
	count := strings.Count(p.Issuer, tenantPlaceholder)
	switch {
	case count == 0 && len(p.Tenants) == 0:
		return nil
	case count == 0:
		return errors.New("tenants needs {tenantid} in the issuer: write `issuer https://login.microsoftonline.com/{tenantid}/v2.0`")
	case count > 1:
		return errors.New("issuer has {tenantid} more than once")
	case len(p.Tenants) == 0:
		return errors.New("issuer has {tenantid}, which stands for anybody's tenant: write `tenants <id…>` with those that may sign in")
	}
	for i, id := range p.Tenants {
		switch {
		case !tenantID.MatchString(id):
			return fmt.Errorf("tenants: %q is no tenant ID: write it as tokens have it in tid, such as 72f988bf-86f1-41af-91ab-2d7cd011db47", id)
		case slices.Contains(p.Tenants[:i], id):
			return fmt.Errorf("tenants: %s is listed twice", id)
		}
	}
	return nil
}

// issuers are all values of iss that the provider's tokens may have.
func (p *Provider) issuers() []string {
	switch {
	case p.Kind == KindOIDC && p.Issuer == issuerGoogle:
		return []string{issuerGoogle, strings.TrimPrefix(issuerGoogle, "https://")}
	case len(p.Tenants) == 0:
		return []string{p.Issuer}
	}
	list := make([]string, len(p.Tenants))
	for i, id := range p.Tenants {
		list[i] = p.issuerOfTenant(id)
	}
	return list
}

func (p *Provider) issuerOfTenant(id string) string {
	return strings.Replace(p.Issuer, tenantPlaceholder, id, 1)
}

// issued reports whether a token is of the provider. issuer is that of the identity: the
// configured one, or with tenants the token's own.
func (p *provider) issued(t *token) (issuer, tenant string, ok bool) {
	if len(p.Tenants) == 0 {
		return p.Issuer, "", t.issuer == p.Issuer || slices.Contains(p.issuers(), t.issuer)
	}
	tenant, err := t.claims.text("tid")
	if err != nil || !slices.Contains(p.Tenants, tenant) || t.issuer != p.issuerOfTenant(tenant) {
		return "", "", false
	}
	return t.issuer, tenant, true
}

// vouchesFor reports whether issuer is that of an identity of the provider.
func (p *provider) vouchesFor(issuer string) bool {
	return len(p.Tenants) == 0 && issuer == p.Issuer || slices.Contains(p.issuers(), issuer)
}
