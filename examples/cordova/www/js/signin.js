// Signing in at the identity provider: authorization code with PKCE (RFC 7636) in the
// system's browser (RFC 8252), so that the app never sees a password and the user sees
// whose page it is.

export class SignIn {
  #config
  #storage
  #provider

  constructor(config, storage) {
    this.#config = config
    this.#storage = storage
  }

  // begin opens the browser at the provider's page.
  async begin() {
    const provider = await this.#discover()
    const [verifier, state, nonce] = [random(), random(), random()]
    // The app may be ended while the user is in the browser.
    await this.#pending().set('pending', JSON.stringify({ verifier, state, nonce }))
    const authorize = new URL(provider.authorization_endpoint)
    for (const [name, value] of Object.entries({
      response_type: 'code',
      client_id: this.#config.clientID,
      redirect_uri: redirectURI(this.#config),
      scope: this.#config.scope,
      state,
      nonce,
      code_challenge: await challenge(verifier),
      code_challenge_method: 'S256',
    })) {
      authorize.searchParams.set(name, value)
    }
    openBrowser(authorize.href)
  }

  // isAnswer tells whether a URL is one with which the provider answers.
  isAnswer(url) {
    const { searchParams } = new URL(url)
    return url.split('?')[0] === redirectURI(this.#config) && searchParams.has('state')
  }

  // finish trades the code of the provider's answer for tokens. It returns undefined for
  // an answer that nobody waits for: one that came twice, or that somebody else sent.
  async finish(url) {
    const answer = new URL(url).searchParams
    const pending = JSON.parse((await this.#pending().get('pending')) ?? 'null')
    if (!pending || answer.get('state') !== pending.state) return undefined
    await this.#pending().remove('pending')
    if (answer.has('error')) throw new SignInError(answer.get('error_description') ?? answer.get('error'))
    if (answer.has('iss') && answer.get('iss') !== this.#config.issuer) throw new SignInError('another provider answered') // RFC 9207
    const tokens = await this.#redeem({
      grant_type: 'authorization_code',
      code: answer.get('code'),
      redirect_uri: redirectURI(this.#config),
      code_verifier: pending.verifier,
    })
    if (claims(tokens.idToken).nonce !== pending.nonce) throw new SignInError('the answer belongs to another sign-in')
    return tokens
  }

  // refresh gets new tokens. A SignInError says that the provider wants the user again;
  // any other error that it cannot be reached.
  async refresh(refreshToken) {
    const tokens = await this.#redeem({ grant_type: 'refresh_token', refresh_token: refreshToken })
    return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken }
  }

  // revoke tells the provider to forget a sign-in (RFC 7009).
  async revoke(refreshToken) {
    const { revocation_endpoint } = await this.#discover()
    if (!revocation_endpoint) return
    const body = new URLSearchParams({ token: refreshToken, client_id: this.#config.clientID })
    await fetch(revocation_endpoint, { method: 'POST', body, credentials: 'omit' })
  }

  // #pending keeps a sign-in that has begun. In a plain browser the page goes and comes
  // back; its verifier is of no use without the code that comes back with it.
  #pending() {
    if (window.cordova) return this.#storage
    return {
      get: async (key) => sessionStorage.getItem(key),
      set: async (key, value) => sessionStorage.setItem(key, value),
      remove: async (key) => sessionStorage.removeItem(key),
    }
  }

  async #discover() {
    if (this.#provider) return this.#provider
    const response = await fetch(`${this.#config.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, { credentials: 'omit' })
    if (!response.ok) throw new Error(`the provider answered ${response.status}`)
    const provider = await response.json()
    if (provider.issuer !== this.#config.issuer) throw new SignInError('the provider calls itself otherwise')
    return (this.#provider = provider)
  }

  async #redeem(form) {
    const { token_endpoint } = await this.#discover()
    const body = new URLSearchParams({ client_id: this.#config.clientID, ...form })
    const response = await fetch(token_endpoint, { method: 'POST', body, credentials: 'omit' })
    const answer = await response.json().catch(() => ({}))
    // Only a provider's own words end a sign-in (RFC 6749, section 5.2), not the page of a network on the way.
    if (answer.error && response.status >= 400 && response.status < 500 && response.status !== 429) {
      throw new SignInError(answer.error_description ?? answer.error)
    }
    if (!response.ok) throw new Error(`the provider answered ${response.status}`)
    const { iss, aud, exp, iat } = claims(answer.id_token)
    if (iss !== this.#config.issuer || ![aud].flat().includes(this.#config.clientID)) throw new SignInError('the token is not for this app')
    // When to get a new one: after nine tenths of its life, counted from now, so that a
    // wrong clock does no harm.
    return { idToken: answer.id_token, refreshToken: answer.refresh_token, renew: Date.now() + (exp - iat) * 900 }
  }
}

export class SignInError extends Error {}

// redirectURI is where the provider sends the browser: to the app by its scheme, or to
// this page where the app is one.
function redirectURI(config) {
  return window.cordova ? config.redirectURI : location.origin + location.pathname
}

// openBrowser shows a page in a tab of the system's browser (cordova-plugin-oauth:
// ASWebAuthenticationSession on iOS, Custom Tabs on Android).
function openBrowser(url) {
  if (window.cordova) window.open(url, 'oauth:notes', '')
  else location.assign(url)
}

// onAnswer calls back with the URL with which the system opened the app.
export function onAnswer(call) {
  window.addEventListener('message', ({ data }) => {
    if (typeof data === 'string' && data.startsWith('oauth::')) call(JSON.parse(data.slice('oauth::'.length)).oauth_callback_url)
  })
}

// claims are what a token says. It came from the provider itself, by TLS; whether its
// signature is good is the sync server's business.
function claims(token) {
  const bytes = Uint8Array.from(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes))
}

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)))
const challenge = async (verifier) => base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
