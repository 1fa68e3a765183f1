// Signing in as an app does: authorization code with PKCE (RFC 7636), each hop by hand.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Jar } from './jar.mjs'

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

  const back = await walk(authorize.href, user)
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

// walk follows redirects and fills in forms until the app is called back.
async function walk(url, user) {
  const jar = new Jar()
  let request = { url }
  for (let hop = 0; hop < 15; hop++) {
    const response = await jar.fetch(request.url, request.options)
    const location = response.headers.get('location')
    if (location) {
      await response.arrayBuffer()
      const next = new URL(location, request.url)
      if (next.href.startsWith(redirectURI)) return next
      request = { url: next.href }
      continue
    }
    const page = await response.text()
    assert.equal(response.status, 200, `${request.url} answered ${response.status}: ${page.slice(0, 500)}`)
    request = fillIn(page, request.url, user)
  }
  throw new Error('signing in took more than 15 hops')
}

// fillIn answers the page's form as the user: a button with the user's name, or a name
// and a password, or a consent.
function fillIn(page, url, user) {
  const form = /<form[^>]*>/i.exec(page)?.[0]
  assert.ok(form, `no form on the page of ${url}`)
  const fields = new URLSearchParams()
  for (const [tag] of page.matchAll(/<input[^>]*>/gi)) {
    const name = attribute(tag, 'name')
    if (name && attribute(tag, 'type') === 'hidden') fields.append(name, attribute(tag, 'value') ?? '')
    else if (name === 'login') fields.append(name, user)
    else if (name === 'password') fields.append(name, 'any')
  }
  const buttons = [...page.matchAll(/<button[^>]*>/gi)].map(([tag]) => tag)
  if (buttons.some((b) => attribute(b, 'name') === 'user')) {
    assert.ok(buttons.some((b) => attribute(b, 'value') === user), `the form does not list ${user}`)
    fields.append('user', user)
  }
  return {
    url: new URL(attribute(form, 'action') ?? '', url).href,
    options: { method: 'POST', body: fields, headers: { Origin: new URL(url).origin } },
  }
}

function attribute(tag, name) {
  const found = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)
  return found?.[1].replaceAll('&amp;', '&').replaceAll('&#43;', '+').replaceAll('&#34;', '"')
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
