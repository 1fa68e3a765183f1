// Signing in at the identity provider: authorization code with PKCE (RFC 7636). The page
// goes to the provider and comes back with a code, which is of no use without the verifier
// that never left this tab.

import { reach } from './session.js'

// begin leads the browser to the provider. hash is where the app is to go on.
export async function begin({ issuer, clientID }, hash = '') {
  const { authorization_endpoint } = await discover(issuer)
  const pending = { verifier: random(), state: random(), nonce: random(), hash }
  sessionStorage.setItem('sign-in', JSON.stringify(pending))
  const authorize = new URL(authorization_endpoint)
  authorize.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientID,
    redirect_uri: redirectURI(),
    scope: 'openid profile',
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(pending.verifier))),
    code_challenge_method: 'S256',
  })
  location.assign(authorize)
}

// finish trades the answer in the page's address for an ID token. It returns undefined if
// the address has none, or one that this tab did not ask for.
export async function finish({ issuer, clientID }) {
  const answer = new URLSearchParams(location.search)
  if (!answer.has('state')) return undefined
  const pending = JSON.parse(sessionStorage.getItem('sign-in'))
  sessionStorage.removeItem('sign-in')
  history.replaceState(null, '', location.pathname + (pending?.hash ?? '')) // the code stays nowhere
  if (answer.get('state') !== pending?.state) return undefined
  if (answer.get('error') === 'access_denied') return undefined // the user thought better of it
  if (answer.has('error')) throw new Error(`Not signed in: ${answer.get('error_description') ?? answer.get('error')}`)
  const { token_endpoint } = await discover(issuer)
  const response = await reach(token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientID,
      redirect_uri: redirectURI(),
      code: answer.get('code'),
      code_verifier: pending.verifier,
    }),
  })
  const tokens = await response.json()
  if (!response.ok) throw new Error(`Not signed in: ${tokens.error_description ?? tokens.error}`)
  if (claims(tokens.id_token).nonce !== pending.nonce) throw new Error('Not signed in: the answer belongs to another sign-in')
  return tokens.id_token
}

async function discover(issuer) {
  const response = await reach(`${issuer}/.well-known/openid-configuration`)
  if (!response.ok) throw new Error(`The identity provider answered ${response.status}`)
  const provider = await response.json()
  if (provider.issuer !== issuer) throw new Error('The identity provider calls itself otherwise')
  return provider
}

// claims are what a token says. Whether its signature is good is the sync server's business.
const claims = (token) => JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
const redirectURI = () => location.origin + location.pathname
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)))
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
