// The session at the sync server: a cookie that no script can read. The ID token is sent
// once, to get it, and then forgotten.

export class Session {
  #url

  constructor(database) {
    this.#url = `${database}/_session`
  }

  // open trades an ID token for a session and returns the user's name.
  async open(token) {
    const { userCtx } = await this.#ask('POST', '', { Authorization: `Bearer ${token}` })
    return userCtx.name
  }

  // who is the user's name, null if nobody is signed in.
  async who() {
    return (await this.#ask('GET')).userCtx.name
  }

  // all are the user's sessions, on whatever device, the one last used first.
  async all() {
    return (await this.#ask('GET', '/all')).sessions
  }

  // end is the end of one of them, such as that of a lost phone.
  end(handle) {
    return this.#ask('DELETE', `/${encodeURIComponent(handle)}`)
  }

  // close signs out here, or everywhere. What is open with an ended session ends at once.
  close({ everywhere = false } = {}) {
    return this.#ask('DELETE', everywhere ? '/all' : '')
  }

  async #ask(method, path = '', headers) {
    const response = await reach(this.#url + path, { method, headers })
    const answer = await response.json()
    if (response.ok) return answer
    throw Object.assign(new Error(answer.reason ?? `The server answered ${response.status}`), { status: response.status })
  }
}

// reach is fetch that fails with words for the user.
export function reach(url, options) {
  return fetch(url, options).catch(() => {
    throw new Error('The server cannot be reached.')
  })
}
