// The lists on this device: a PouchDB of each user's own, so that whoever signs in after
// somebody else neither sees nor sends what is theirs.
//
//   list:<id>        {type: "list", name, owner, members, by, at}
//   item:<id>        {type: "item", list: "list:<id>", text, done, by, at}, its photo as an attachment
//
// by and at say who wrote a version and when. ../../lists.sync.js says who may write what.

export class Lists {
  db
  user
  #open
  #numbers
  #watching
  #changed

  // open makes a local database: open(name) returns a PouchDB. numbers remembers the number
  // of the user's newest one: localStorage, or what has its getItem and setItem. changed is
  // told when something changed, here or by the sync.
  constructor({ user, open, numbers, changed = () => {} }) {
    Object.assign(this, { user })
    this.#open = open
    this.#numbers = numbers
    this.#changed = changed
    this.reopen()
  }

  // reopen opens the newest of the user's databases, if it is not open yet.
  reopen() {
    const [before, name] = [this.db, this.#name()]
    if (before?.name === name) return
    this.#watching?.cancel()
    this.db = this.#open(name)
    this.#watching = this.db.changes({ since: 'now', live: true }).on('change', this.#changed)
    this.#watching.catch(() => {})
    if (before) this.#changed()
  }

  // all are the lists in the order of their names, with their items in the order in which
  // those were made. What was changed on two devices at once has `others`: the versions that
  // did not win.
  async all() {
    const { db } = this
    const { rows } = await db.allDocs({ include_docs: true, conflicts: true })
    const docs = await Promise.all(rows.map(async ({ doc }) => {
      const others = await Promise.all((doc._conflicts ?? []).map((rev) => db.get(doc._id, { rev }).catch(() => undefined)))
      return { ...doc, others: others.filter((other) => other && !other._deleted) }
    }))
    const items = docs.filter(({ type }) => type === 'item')
    const lists = docs.filter(({ type }) => type === 'list')
    for (const list of lists) {
      list.name ??= list._id.slice('list:'.length)
      list.members ??= []
      list.items = items.filter((item) => item.list === list._id)
    }
    return lists.toSorted((a, b) => a.name.localeCompare(b.name) || a._id.localeCompare(b._id))
  }

  makeList(name) {
    const _id = `list:${crypto.randomUUID()}`
    return this.#put({ _id, type: 'list', name, owner: this.user, members: [] })
  }

  rename(list, name) {
    return this.#goOn(list, { name })
  }

  share(list, name) {
    return this.#goOn(list, { members: [...new Set([...list.members, name])] })
  }

  unshare(list, name) {
    return this.#goOn(list, { members: list.members.filter((member) => member !== name) })
  }

  // removeList deletes the items too: they would lie around where nobody sees them.
  async removeList({ _id, _rev, type, owner, members, items }) {
    const gone = items.map((item) => ({ _id: item._id, _rev: item._rev, _deleted: true, type: 'item', list: _id }))
    await this.db.bulkDocs([...gone, { _id, _rev, _deleted: true, type, owner, members }])
  }

  // add makes an item. Its ID begins with the time, so that items sort as they were made.
  add(list, text) {
    const _id = `item:${new Date().toISOString()}:${crypto.randomUUID().slice(0, 8)}`
    return this.#put({ _id, type: 'item', list: list._id, text, done: false })
  }

  // tick looks at the newest version first: whoever ticks twice in a row has no conflict
  // with themselves.
  async tick({ _id }, done) {
    return this.#put({ ...(await this.db.get(_id)), done })
  }

  // edit changes an item. photo is a Blob; null takes the photo away, undefined leaves it.
  edit(item, { text, photo }) {
    const attachments = photo === undefined ? item._attachments : photo ? { photo: { content_type: photo.type, data: photo } } : {}
    return this.#goOn(item, { text, _attachments: attachments })
  }

  // remove says in the deletion of which list the item was, so that it can be told whose it is.
  remove({ _id, _rev, type, list }) {
    return this.db.put({ _id, _rev, _deleted: true, type, list })
  }

  // photo is an item's photo as a Blob, in one of its versions.
  photo({ _id, _rev }) {
    return this.db.getAttachment(_id, 'photo', { rev: _rev })
  }

  // keep ends a conflict: one version goes on, the others are deleted.
  async keep(doc, version) {
    if (version._rev !== doc._rev) await this.#goOn(doc, await this.#content(version))
    for (const { _id, _rev, type, list, owner, members } of doc.others) {
      await this.db.put({ _id, _rev, _deleted: true, type, list, owner, members })
    }
  }

  // lost are the lists of others that are here and not among those that the server shows:
  // they are no longer shared. One's own are never lost; they may not have been sent yet.
  async lost(shown) {
    return (await this.all()).filter(({ _id, owner }) => owner !== this.user && !shown.has(_id))
  }

  // forget takes lists from this device, and from no other. PouchDB cannot forget: it can
  // only delete, which is a change that it would send. So all else moves to a new database.
  async forget(lists) {
    const gone = new Set(lists.map(({ _id }) => _id))
    const filter = ({ _id, list }) => !gone.has(_id) && !gone.has(list)
    const [before, number] = [this.db, this.#number() + 1]
    await this.#open(this.#name(number)).destroy() // of an attempt that was cut short
    await before.replicate.to(this.#open(this.#name(number)), { filter })
    this.#numbers.setItem(`number:${this.user}`, number)
    this.reopen()
    await before.replicate.to(this.db, { filter }) // what was written meanwhile
    await before.destroy()
  }

  close() {
    this.#watching.cancel()
    return this.db.close()
  }

  destroy() {
    this.#watching.cancel()
    return this.db.destroy()
  }

  #number() {
    return Number(this.#numbers.getItem(`number:${this.user}`) ?? 1)
  }

  #name(number = this.#number()) {
    return `lists-${encodeURIComponent(this.user)}-${number}`
  }

  #put(doc, options = {}) {
    return this.db.put({ ...doc, by: this.user, at: new Date().toISOString() }, options)
  }

  // #goOn goes on from the version that the user saw. If another one came meanwhile both are
  // kept, and the user chooses.
  async #goOn({ _id, _rev }, change) {
    const seen = await this.db.get(_id, { rev: _rev }).catch(() => this.db.get(_id)) // compacted
    const next = { ...seen, ...change }
    try {
      return await this.#put(next)
    } catch (err) {
      if (err.status !== 409) throw err
      return this.#put(next, { force: true })
    }
  }

  // #content is what a version says, with its photo as such: a stub is good in its own
  // branch only.
  async #content({ _id, _rev, others, items, ...version }) {
    delete version._conflicts
    if (!version._attachments?.photo) return { ...version, _attachments: {} }
    const photo = await this.photo({ _id, _rev })
    return { ...version, _attachments: { photo: { content_type: photo.type, data: photo } } }
  }
}
