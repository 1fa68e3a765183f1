// Keeping the lists on this device and those on the server the same, as long as there is a
// network and a sign-in. Four things PouchDB leaves to the app, and they are here: to know
// that there is no network, that the sign-in has ended, that a change was refused, and that
// a list is no longer shared.

// Sync tells changed(state, detail) how it goes:
//   syncing   something is being sent or received
//   current   both sides are the same, and changes of either come at once
//   offline   the server cannot be reached; it is tried again
//   ended     the sign-in has ended, and the sync with it; detail says why
//   failed    the sync has ended for another reason: detail
// and of things that happen:
//   refused   the server did not take a change: detail
//   lost      lists are no longer shared: detail is an array of them
export class Sync {
  #lists
  #url
  #PouchDB
  #request
  #changed
  #forgiven
  #running
  #offline = false

  // request is fetch, with what signs the user in; by default the browser's, with cookies.
  constructor({ lists, url, PouchDB, request = (url, options) => fetch(url, options), changed }) {
    this.#lists = lists
    this.#url = url
    this.#PouchDB = PouchDB
    this.#request = request
    this.#changed = changed
  }

  start({ forget = true } = {}) {
    this.stop()
    const running = { refused: new Set() } // IDs of what is sent once more
    const tell = (...news) => this.#running === running && this.#changed(...news)
    const remote = new this.#PouchDB(this.#url, { skip_setup: true, fetch: (url, options) => this.#fetch(running, tell, url, options) })
    forgiveInfo(remote)
    if (this.#forgiven !== this.#lists.db) forgiveInfo(this.#forgiven = this.#lists.db)
    this.#running = Object.assign(running, { remote })
    tell('syncing')
    running.sync = this.#lists.db
      .sync(remote, { live: true, retry: true, back_off_function: (ms) => Math.min(ms * 2 || 500, 10_000) })
      .on('active', () => this.#offline || tell('syncing'))
      .on('paused', () => tell(this.#offline ? 'offline' : 'current'))
      .on('denied', ({ doc }) => running.refused.add(doc.id))
      .on('error', (err) => tell(err.status === 401 ? 'ended' : 'failed', err.reason ?? err.message))
    running.sync.catch(() => {}) // told by 'error'
    running.sync.push.on('paused', (err) => err || this.#again(running, tell))
    if (forget) this.#forget(running) // what was lost while this device was away
  }

  // stop ends at once. What has not been sent yet is sent after the next start. It returns a
  // promise of when the local database is left alone: at the latest after a second, since
  // PouchDB says nothing where it was waiting to try again.
  stop() {
    const { sync } = this.#running ?? {}
    this.#running = undefined
    if (!sync) return Promise.resolve()
    sync.cancel()
    return Promise.race([sync.catch(() => {}), new Promise((late) => setTimeout(late, 1000))])
  }

  // retry does not wait until it is time to try again.
  retry() {
    if (this.#running) this.start()
  }

  // leave ends the user's membership of another's list. It asks the server, which decides that: written here first, it
  // could meet a change of the owner's and be refused. The list goes from this device as one that is lost.
  async leave({ _id }) {
    const { user } = this.#lists
    const remote = new this.#PouchDB(this.#url, { skip_setup: true, fetch: (url, options) => this.#ask(url, options) })
    try {
      const list = await remote.get(_id)
      await remote.put({ ...list, members: list.members.filter((name) => name !== user), by: user, at: new Date().toISOString() })
    } catch (err) {
      if (!err.status) throw new Error('The server cannot be reached. You can leave the list when it can be.')
      if (err.status === 409) return this.leave({ _id }) // changed between the two
      if (err.status !== 404) throw err // else it is not theirs any more
    }
  }

  // unplugged is told by the browser, long before a request fails.
  unplugged() {
    this.#offline = true
    if (this.#running) this.#changed('offline')
  }

  // #again sends once more what was refused: PouchDB sends a hundred documents at a time, and what gives access to them,
  // such as a list that was shared after its items were made, may have come in a later hundred.
  async #again(running, tell) {
    if (running.refused.size === 0 || this.#running !== running) return
    const doc_ids = [...running.refused]
    running.refused.clear()
    if (await this.#forget(running)) return
    this.#lists.db.replicate.to(running.remote, { doc_ids, checkpoint: false })
      .on('denied', (err) => tell('refused', err.reason ?? err.message))
      .catch(() => doc_ids.forEach((id) => running.refused.add(id))) // not reached: the next time
  }

  // #ask asks for this user, and for nobody else. The cookie is the host's: a page of another app may have signed
  // somebody else in, and then nothing of the one may go to the other, nor be taken for lost.
  #ask(url, options) {
    options.headers.set('If-User', encodeURIComponent(this.#lists.user))
    return this.#request(url, options)
  }

  async #fetch(running, tell, url, options) {
    const to = new URL(url)
    const feed = to.pathname.endsWith('/_changes')
    // The server says then what the user may not see any more.
    if (feed) to.searchParams.set('revocations', 'true')
    try {
      const response = await this.#ask(to.href, options)
      if (response.status === 401) tell('ended', (await response.clone().json().catch(() => ({}))).reason)
      const result = feed && response.ok ? await this.#withoutLosses(running, response) : response
      this.#offline = false
      return result
    } catch (err) {
      if (err.name !== 'AbortError') {
        this.#offline = true
        tell('offline')
      }
      throw err
    }
  }

  // #withoutLosses is an answer of the feed without the rows that tell of losses, of which
  // PouchDB knows nothing.
  async #withoutLosses(running, response) {
    const answer = await response.json()
    const results = answer.results.filter(({ revoked }) => !revoked)
    if (results.length < answer.results.length) this.#forget(running)
    return new Response(JSON.stringify({ ...answer, results }), { status: response.status, headers: { 'Content-Type': 'application/json' } })
  }

  // #forget takes from this device what the server does not show any more, and returns
  // whether there was something. It asks for what is shown rather than to believe the feed,
  // which says of a loss only once.
  async #forget(running) {
    running.asked = (running.asked ?? Promise.resolve()).then(async () => {
      if (this.#running !== running) return false
      const { rows } = await running.remote.allDocs({ startkey: 'list:', endkey: 'list:\uffff' })
      const lost = await this.#lists.lost(new Set(rows.map(({ id }) => id)))
      if (lost.length === 0 || this.#running !== running) return false
      await this.stop()
      try {
        await this.#lists.forget(lost)
      } catch (err) { // no space for the copy: the sync goes on, and the next start tries again
        this.start({ forget: false })
        throw err
      }
      this.#changed('lost', lost)
      this.start()
      return true
    }).catch(() => false) // offline or signed out, which is told elsewhere; it is asked again then
    return running.asked
  }
}

// PouchDB 9 asks for the size of both databases after each batch, for its list of tasks only,
// and leaves a failure of that unhandled: without a network, or where the local one is closed
// meanwhile, it would be an error of the page.
function forgiveInfo(db) {
  const info = db.info.bind(db)
  db.info = () => info().catch(() => ({ db_name: db.name, update_seq: 0 }))
}
