// A browser without a screen: it follows redirects, keeps cookies by host, and fills in
// the forms of the providers of the tests.
import assert from 'node:assert/strict'
import { Jar } from './jar.mjs'

export class Browser {
  #jars = new Map() // by host name: cookies know no ports (RFC 6265 section 8.5)

  jar(url) {
    const { hostname } = new URL(url)
    if (!this.#jars.has(hostname)) this.#jars.set(hostname, new Jar())
    return this.#jars.get(hostname)
  }

  // fetch is one hop; redirects are left to the caller.
  fetch(url, options) {
    return this.jar(url).fetch(url, options)
  }

  // visit goes where url leads, signing in as user where it is asked to, until nothing
  // leads on or until(url) says that the next hop is not to be made. It returns the last
  // response with its body as text, the URL it is of, and the URLs on the way. response is
  // undefined if until stopped it.
  async visit(url, { user, until = () => false, options } = {}) {
    let request = { url, options }
    const way = []
    for (let hop = 0; hop < 20; hop++) {
      if (until(new URL(request.url))) return { url: new URL(request.url), way }
      way.push(request.url)
      const response = await this.fetch(request.url, request.options)
      const location = response.headers.get('location')
      const text = await response.text()
      if (location) {
        request = { url: new URL(location, request.url).href }
        continue
      }
      const form = response.status === 200 && /<form[^>]*>/i.test(text)
      if (!form) return { url: new URL(request.url), response, text, way }
      request = fillIn(text, request.url, user)
    }
    throw new Error(`more than 20 hops: ${way.map((u) => new URL(u).origin + new URL(u).pathname).join(' ')}`)
  }
}

// fillIn answers the page's form as the user: a button with the user's name, or a name
// and a password, or a consent, or the confirmation of a logout.
function fillIn(page, url, user) {
  const form = /<form[^>]*>/i.exec(page)[0]
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
  if (buttons.some((b) => attribute(b, 'name') === 'logout')) fields.append('logout', 'yes')
  return {
    url: new URL(attribute(form, 'action') ?? '', url).href,
    options: { method: 'POST', body: fields, headers: { Origin: new URL(url).origin } },
  }
}

function attribute(tag, name) {
  const found = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)
  return found?.[1].replaceAll('&amp;', '&').replaceAll('&#43;', '+').replaceAll('&#34;', '"')
}
