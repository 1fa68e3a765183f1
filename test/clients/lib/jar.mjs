// A cookie jar as a browser keeps it, for one host: names, values and paths.
export class Jar {
  #cookies = new Map()

  // take stores what an answer sets and drops what it deletes.
  take(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim())
      const name = pair.slice(0, pair.indexOf('='))
      const value = pair.slice(pair.indexOf('=') + 1)
      const path = attribute(attributes, 'path') ?? '/'
      const maxAge = attribute(attributes, 'max-age')
      const expires = attribute(attributes, 'expires')
      const gone = maxAge !== undefined ? Number(maxAge) <= 0 : expires !== undefined && new Date(expires) <= new Date()
      const key = `${name} ${path}`
      if (gone) this.#cookies.delete(key)
      else this.#cookies.set(key, { name, value, path, attributes })
    }
  }

  header(url) {
    const path = new URL(url).pathname
    return [...this.#cookies.values()]
      .filter((c) => path === c.path || path.startsWith(c.path.endsWith('/') ? c.path : c.path + '/'))
      .map((c) => `${c.name}=${c.value}`)
      .join('; ')
  }

  get(name) {
    return [...this.#cookies.values()].find((c) => c.name === name)
  }

  // fetch is one hop with this jar's cookies; redirects are left to the caller.
  async fetch(url, options = {}) {
    const headers = new Headers(options.headers)
    const cookies = this.header(url)
    if (cookies) headers.set('Cookie', cookies)
    const response = await fetch(url, { ...options, headers, redirect: 'manual' })
    this.take(response)
    return response
  }
}

function attribute(attributes, name) {
  const found = attributes.find((a) => a.toLowerCase().startsWith(name + '='))
  return found?.slice(name.length + 1)
}
