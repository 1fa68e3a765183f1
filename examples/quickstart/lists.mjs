// Shared lists on a device, with PouchDB: one local database for each list, so that a list
// that was taken from the user leaves the device as a whole.
//
// PouchDB's replication brings what is new, also after a list was shared. What it does not
// know is that somebody may lose documents. So this class also follows the feed of changes
// itself, with revocations=true, and looks at the lists in it: for one that was lost it
// destroys the local database; for one that came it makes one and lets PouchDB sync it.

// Lists needs:
//   url       of the server's database, such as http://localhost:8080/lists
//   open      makes a local database: open('list:42') returns a PouchDB
//   remote    makes the server's database as PouchDB: remote() returns a PouchDB
//   request   fetch with what signs the user in (default: fetch with cookies)
//   changed   is told when a list came or went: changed({ id, db }) or changed({ id })
export class Lists {
  #lists = new Map() // ID → { db, sync }
  #state
  #stopped = new AbortController()
  #following

  constructor({ url, open, remote, request = (to, options) => fetch(to, { credentials: 'include', ...options }), changed = () => {} }) {
    Object.assign(this, { url, open, remote, request, changed })
  }

  // start opens the lists that the device has and goes on from there.
  async start() {
    this.#state = this.open('lists')
    const { since = 0, ids = [] } = await this.#load()
    for (const id of ids) this.#come(id)
    this.#following = this.#follow(since)
    return this
  }

  // get is the local database of a list, undefined if the device has no such list.
  get(id) {
    return this.#lists.get(id)?.db
  }

  ids() {
    return [...this.#lists.keys()].toSorted()
  }

  // create makes a list of the user's. It is on the server when create returns.
  async create(list) {
    const db = this.#come(list._id)
    await this.#save()
    const put = await db.put({ members: [], ...list, type: 'list' })
    await db.replicate.to(this.remote())
    return put
  }

  async stop() {
    this.#stopped.abort()
    await this.#following
    await Promise.all([...this.#lists.values()].map(({ sync, db }) => ended(sync).then(() => db.close())))
    await this.#state.close()
  }

  async #follow(since) {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        const query = new URLSearchParams({ feed: 'longpoll', revocations: 'true', since, heartbeat: 30000 })
        const response = await this.request(`${this.url}/_changes?${query}`, { signal })
        if (!response.ok) throw new Error(`the feed of changes answered ${response.status}`)
        const { results, last_seq } = await response.json()
        for (const row of results) await this.#see(row)
        since = last_seq
        await this.#save(since)
      } catch {
        // Offline, signed out, or the server restarts: try again in a while.
        if (!signal.aborted) await pause(1000, signal)
      }
    }
  }

  async #see({ id, deleted, removed, revoked }) {
    if (!id.startsWith('list:')) return // items are the business of the lists' databases
    if (deleted || removed || revoked) await this.#go(id)
    else if (!this.#lists.has(id)) this.changed({ id, db: this.#come(id) })
  }

  #come(id) {
    if (this.#lists.has(id)) return this.#lists.get(id).db
    const db = this.open(id)
    const sync = db.sync(this.remote(), {
      live: true,
      retry: true,
      pull: { filter: 'sync_gateway/bychannel', query_params: { channels: id } },
    })
    sync.catch(() => {}) // with retry, only a refused sign-in ends it
    this.#lists.set(id, { db, sync })
    return db
  }

  async #go(id) {
    const list = this.#lists.get(id)
    if (!list) return
    this.#lists.delete(id)
    await ended(list.sync)
    await list.db.destroy()
    this.changed({ id })
  }

  async #load() {
    return this.#state.get('_local/lists').catch((err) => {
      if (err.status === 404) return {}
      throw err
    })
  }

  // save keeps which lists there are, and where the feed goes on: together, so that after a
  // crash a row is seen again rather than not at all.
  async #save(since) {
    const before = await this.#load()
    await this.#state.put({ ...before, _id: '_local/lists', since: since ?? before.since, ids: this.ids() })
  }
}

// ended stops a sync and waits until it has.
function ended(sync) {
  return new Promise((done) => {
    sync.on('complete', done).on('error', done)
    sync.cancel()
    if (sync.canceled && sync.push.state !== 'active' && sync.pull.state !== 'active') setTimeout(done, 100)
  })
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true })
  })
}
