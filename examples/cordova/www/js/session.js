// How the app shows the sync server who it is.
//
// After sign-in the app trades the ID token for a session, which is a cookie that no
// script can read. Where the WebView keeps it, that is all: the tokens are forgotten, and
// the session lives until it expires or somebody ends it. To the server the app's page is
// one of another site, so the session has to be SameSite=None, and not every WebView keeps
// even that: WKWebView on iOS does not. There the app sends the ID token with each
// request, and keeps it, with the refresh token, in secure storage.

import { SignInError } from './signin.js'

export class Session {
  #database
  #signIn
  #storage
  #tokens // undefined where the cookie does it
  #refreshing

  constructor({ database, signIn, storage }) {
    this.#database = database
    this.#signIn = signIn
    this.#storage = storage
  }

  // open trades tokens for a session and returns the user's name at the server.
  async open(tokens) {
    const { userCtx } = await this.#ask('POST', { Authorization: `Bearer ${tokens.idToken}` })
    const kept = (await this.#ask('GET')).userCtx.name === userCtx.name
    this.#tokens = kept ? undefined : tokens
    await this.#save()
    return userCtx.name
  }

  // restore is for the next start. Without tokens the cookie has to do; the server says
  // whether it does.
  async restore() {
    this.#tokens = JSON.parse((await this.#storage.get('tokens')) ?? 'null') ?? undefined
  }

  get byCookie() {
    return !this.#tokens
  }

  // fetch is the browser's, with what signs the user in.
  async fetch(url, options = {}) {
    if (!this.#tokens) return fetch(url, { ...options, credentials: 'include' })
    const sent = await this.#fresh()
    const response = await this.#bearer(sent, url, options)
    // A token that is over can be replaced. Whatever else ended the sign-in was meant to.
    if (response.status !== 401 || !/error_description="token expired"/.test(response.headers.get('WWW-Authenticate') ?? '')) return response
    const next = await this.#refresh()
    return next === sent ? response : this.#bearer(next, url, options)
  }

  // close ends the session at the server, and the sign-in at the provider if the app has
  // kept it.
  async close() {
    await this.#ask('DELETE')
    // A provider that lets no page revoke tokens (CORS) keeps nobody signed in here.
    if (this.#tokens?.refreshToken) await this.#signIn.revoke(this.#tokens.refreshToken).catch(() => {})
    await this.forget()
  }

  // forget drops what is no longer good.
  async forget() {
    this.#tokens = undefined
    await this.#save()
  }

  async #ask(method, headers) {
    const response = await fetch(`${this.#database}/_session`, { method, headers, credentials: 'include' })
    const answer = await response.json()
    if (!response.ok) throw new SignInError(`Not signed in: ${answer.reason ?? response.status}`)
    return answer
  }

  #bearer(token, url, options) {
    const headers = new Headers(options.headers)
    headers.set('Authorization', `Bearer ${token}`)
    return fetch(url, { ...options, headers, credentials: 'omit' })
  }

  async #fresh() {
    return Date.now() < this.#tokens.renew ? this.#tokens.idToken : this.#refresh()
  }

  // #refresh returns a new token, or the old one if the provider gives none: then the
  // server's answer to it says that the user has to sign in. Requests share one refresh.
  async #refresh() {
    const of = this.#tokens
    if (!of.refreshToken) return of.idToken
    if (this.#refreshing?.of !== of) {
      const mine = { of, done: this.#renew(of).finally(() => this.#refreshing === mine && (this.#refreshing = undefined)) }
      this.#refreshing = mine
    }
    return this.#refreshing.done
  }

  async #renew(tokens) {
    const next = await this.#signIn.refresh(tokens.refreshToken).catch((err) => {
      if (!(err instanceof SignInError)) throw err
      return { ...tokens, refreshToken: undefined }
    })
    // Meanwhile the user may have signed out, and another one in.
    if (this.#tokens !== tokens) throw new SignInError('signed out')
    this.#tokens = next
    await this.#save()
    return next.idToken
  }

  async #save() {
    if (this.#tokens) await this.#storage.set('tokens', JSON.stringify(this.#tokens))
    else await this.#storage.remove('tokens')
  }
}
