// Signing in as an app does: authorization code with PKCE (RFC 7636), each hop by hand.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Browser } from './browser.mjs'

const redirectURI = 'http://127.0.0.1:8976/callback' // nobody listens: the last hop is read, not made

const base64url = (bytes) => Buffer.from(bytes).toString('base64url')

// signIn returns the token endpoint's answer, with the ID token's claims beside it.
// algorithm is what the client registered; the provider must sign with it.
export async function signIn({ issuer, clientID, user, scope = 'openid profile email', extra = {} }) {
  const provider = await json(await fetch(wellKnown(issuer)))
  assert.equal(provider.issuer, issuer, 'discovery names another issuer')

  const verifier = base64url(randomBytes(32))
  const state = base64url(randomBytes(16))
  const nonce = base64url(randomBytes(16))
  const authorize = new URL(provider.authorization_endpoint)
  for (const [name, value] of Object.entries({
    response_type: 'code',
    client_id: clientID,
    redirect_uri: redirectURI,
    scope,
    state,
    nonce,
    code_challenge: base64url(createHash('sha256').update(verifier).digest()),
    code_challenge_method: 'S256',
    ...extra,
  })) {
    authorize.searchParams.set(name, value)
  }

  const { url: back, response, text } = await new Browser().visit(authorize.href, { user, until: (to) => to.href.startsWith(redirectURI) })
  assert.ok(!response, `signing in ended with ${response?.status}: ${text?.slice(0, 500)}`)
  assert.equal(back.searchParams.get('error'), null, back.searchParams.get('error_description') ?? '')
  assert.equal(back.searchParams.get('state'), state, 'the state came back changed')

  const tokens = await redeem(provider, {
    grant_type: 'authorization_code',
    client_id: clientID,
    redirect_uri: redirectURI,
    code: back.searchParams.get('code'),
    code_verifier: verifier,
  })
  const claims = claimsOf(tokens.id_token)
  assert.equal(claims.iss, issuer)
  assert.equal(claims.nonce, nonce, 'the nonce came back changed')
  assert.ok([claims.aud].flat().includes(clientID))
  return { ...tokens, claims, provider, code: back.searchParams.get('code'), state }
}

// refresh trades a refresh token for new tokens.
export async function refresh(provider, clientID, refreshToken) {
  const tokens = await redeem(provider, { grant_type: 'refresh_token', client_id: clientID, refresh_token: refreshToken })
  return { ...tokens, claims: claimsOf(tokens.id_token) }
}

async function redeem(provider, form) {
  return json(await fetch(provider.token_endpoint, { method: 'POST', body: new URLSearchParams(form) }))
}

async function json(response) {
  const text = await response.text()
  // Not the body itself: it may hold a token.
  assert.equal(response.status, 200, `${response.url} answered ${response.status}: ${text.slice(0, 300)}`)
  return JSON.parse(text)
}

export function wellKnown(issuer) {
  return issuer.replace(/\/$/, '') + '/.well-known/openid-configuration'
}

export function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
}

export function headerOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url'))
}
