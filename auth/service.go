// Package auth answers who is asking: it verifies tokens and sessions and gives a
// principal with a lease.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Service judges requests by one configuration. Its methods are safe for concurrent use.
type Service struct {
	logger    *zap.Logger
	audit     *auditor
	access    func(ctx context.Context, db Database, name string, tokenGrants bool) (Access, error)
	providers []*provider
	policies  map[string]*policy
	digests   *lru[[sha256.Size]byte, *verified]
	explains  explainLimit
	strangers warnings
	rules     []*AdminRule // of sites, nil if they are not known

	mu      sync.Mutex
	state   atomic.Pointer[State] // set by Start
	started bool
}

// New checks the configuration (no network, no I/O that a validate could not do). Its
// errors say what to write instead.
func New(c Config) (*Service, error) {
	providers, policies, err := c.validate()
	if err != nil {
		return nil, err
	}
	logger := c.Logger
	if logger == nil {
		logger = zap.NewNop()
	}
	audit := c.Audit
	if audit == nil {
		audit = zap.NewNop()
	}
	return &Service{
		logger:    logger,
		audit:     newAuditor(audit),
		access:    c.Access,
		providers: providers,
		policies:  policies,
		digests:   newLRU[[sha256.Size]byte, *verified](digestCacheSize),
	}, nil
}

// Start puts the service to work on state: it becomes the configuration by which open
// leases are judged; those it refuses end before Start returns. A provider that is
// down does not keep it from starting.
func (s *Service) Start(ctx context.Context, state *State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("auth: service started twice")
	}
	for i, p := range s.providers {
		if err := p.startKeys(ctx, state, s.logger); err != nil {
			for _, held := range s.providers[:i] {
				held.stopKeys()
			}
			return fmt.Errorf("starting sign-in: %w", err)
		}
	}
	s.limitDigests(state)
	state.touchBy(s.policies)
	s.state.Store(state)
	s.started = true
	state.current.Store(s)
	state.leases.judgeAll()
	return nil
}

// Stop ends what Start began (background refreshes); leases stay. A service that was
// replaced must be stopped after the new one has started.
func (s *Service) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		return
	}
	s.started = false
	for _, p := range s.providers {
		p.stopKeys()
	}
}

// policy returns a database's policy, nil if the configuration has none for it.
func (s *Service) policy(name string) *policy {
	if p, ok := s.policies[name]; ok {
		return p
	}
	return s.policies["*"]
}

// admits tells the providers whose tokens a database takes.
func (p *policy) admitted(pr *provider) bool { return p.admits[pr] }

// provider returns the provider of that name and issuer, nil if it is not configured.
func (s *Service) provider(name, issuer string) *provider {
	for _, p := range s.providers {
		if p.Name == name && p.vouchesFor(issuer) {
			return p
		}
	}
	return nil
}

// judge says whether this configuration would answer p now, and for how long without
// asking again. It signs nobody up.
func (s *Service) judge(ctx context.Context, p *Principal) (terms, *Error) {
	switch {
	case p.Admin && !s.knows(p.admitted):
		return terms{}, errForbidden("for administrators only", "the site's rule for administrators was changed")
	case p.Method == MethodAdmin:
		return terms{}, nil
	case p.Method == MethodGuest:
		return terms{}, s.judgeGuest(p)
	case p.verified != nil:
		return s.judgeToken(ctx, p)
	case p.session != nil:
		return s.judgeSession(ctx, p)
	case p.passwordAt != 0:
		u, _, refusal := s.judgeUser(ctx, p)
		return terms{}, s.judgeFound(ctx, p, u, refusal)
	}
	return terms{}, errLoginRequired()
}

func (s *Service) judgeGuest(p *Principal) *Error {
	pol := s.policy(p.db.Name)
	switch {
	case pol == nil || !pol.Guest:
		return errForbidden("guest access was turned off", "")
	case pol.GuestReadOnly != p.ReadOnly:
		// Not forbidden: who comes again comes in, as guests do now.
		return errTryLater("what guests may do was changed", time.Second, "")
	}
	return nil
}

func (s *Service) judgeToken(ctx context.Context, p *Principal) (terms, *Error) {
	v := p.verified
	pr := s.provider(p.Provider, p.Issuer)
	if pr == nil {
		return terms{}, errInvalidToken("provider removed")
	}
	if p.db.Name != "" {
		if pol := s.policy(p.db.Name); pol == nil || !pol.admits[pr] {
			return terms{}, errInvalidToken("provider not accepted here")
		}
	}
	if !pr.hears(v.audience, v.party) || !v.required.satisfies(pr.Require) {
		return terms{}, errInvalidToken("sign-in rules changed")
	}
	if err := pr.allows(v.algorithm, v.access); err != nil {
		return terms{}, errInvalidToken(err.Error())
	}
	if !pr.trusts(v.signer) {
		return terms{}, errInvalidToken("the key that signed the token is gone")
	}
	end := v.expires
	if pr.MaxTokenAge > 0 && v.issued.Add(pr.MaxTokenAge).Before(end) {
		end = v.issued.Add(pr.MaxTokenAge)
	}
	if !time.Now().Before(end) {
		return terms{}, errInvalidToken("token expired")
	}
	a := *v.applicant
	a.provider = pr
	if p.db.Name == "" || p.Admin {
		_, refusal := s.checkAdministrator(ctx, p.db, &a, p.rule)
		return terms{end: end}, refusal
	}
	u, refusal := s.state.Load().account(ctx, p.db, &a, false)
	return terms{end: end}, s.judgeFound(ctx, p, u, refusal)
}

func (s *Service) judgeSession(ctx context.Context, p *Principal) (terms, *Error) {
	x, err := s.state.Load().session(ctx, p.session.key)
	if err != nil {
		return terms{}, errInternal("reading a session", err)
	}
	if x == nil {
		return terms{}, errInvalidSession("session ended")
	}
	u, t, refusal := s.admitSession(ctx, x, p.db, false)
	return t, s.judgeFound(ctx, p, u, refusal)
}

// judgeFound judges p by the roles of the user that it was found to be, unless it was refused
// already.
func (s *Service) judgeFound(ctx context.Context, p *Principal, u *User, refusal *Error) *Error {
	if refusal != nil || !p.byRole() {
		return refusal
	}
	roles, _ := s.policy(p.db.Name).grants(u)
	return s.judgeRoles(ctx, p, roles)
}

// Lease ends when p's session is deleted or expires, its token expires, its user is
// disabled or deleted, or the configuration no longer admits it. It registers first and
// then reads the session, user and provider again, so that nothing that happens in
// between is missed (DECISIONS 38); a principal that is already refused gets an *Error.
// Close the lease; ctx is for the reading only.
func (s *Service) Lease(ctx context.Context, p *Principal) (*Lease, error) {
	if s.state.Load() == nil {
		return nil, errTryLater("not started", time.Second, "")
	}
	l := s.state.Load().leases.add(p)
	service := s.state.Load().current.Load()
	if service == nil {
		service = s
	}
	t, refusal := service.judge(ctx, p)
	if refusal != nil {
		l.Close() //nolint:contextcheck // touches the session, see there
		return nil, refusal
	}
	s.state.Load().leases.setTerms(l, t)
	return l, nil
}
