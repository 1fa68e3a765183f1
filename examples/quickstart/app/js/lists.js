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
      const versions = [doc, ...others.filter((other) => other && !other._deleted)]
      versions.forEach(tidy)
      return { ...doc, others: versions.slice(1) }
    }))
    const items = docs.filter(({ type }) => type === 'item')
    const lists = docs.filter(({ type }) => type === 'list')
    for (const list of lists) list.items = items.filter((item) => item.list === list._id)
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
    if (/[/:,`]/.test(name)) throw new Error(`“${name}” is not the name of a user. Share with one after the other.`)
    return this.#change(list, ({ members = [] }) => ({ members: [...new Set([...members, name])] }))
  }

  unshare(list, name) {
    return this.#change(list, ({ members = [] }) => ({ members: members.filter((member) => member !== name) }))
  }

  // removeList deletes the items too: they would lie around where nobody sees them.
  async removeList({ _id }) {
    const list = (await this.all()).find((list) => list._id === _id)
    if (list) await this.db.bulkDocs([...list.items, list].flatMap((doc) => [doc, ...doc.others]).map(deletion))
  }

  // add makes an item. Its ID begins with the time, so that items sort as they were made.
  add(list, text) {
    const _id = `item:${new Date().toISOString()}:${crypto.randomUUID().slice(0, 8)}`
    return this.#put({ _id, type: 'item', list: list._id, text, done: false })
  }

  tick(item, done) {
    return this.#change(item, () => ({ done }))
  }

  // edit changes an item as the user saw it. photo is a Blob; null takes the photo away,
  // undefined leaves it. was is the photo that the item had, as a Blob: the local database
  // keeps none of a version that another one followed.
  async edit(item, { text, photo, was }) {
    const change = { ...(text !== item.text && { text }), ...(photo !== undefined && attach(photo)) }
    if (Object.keys(change).length) await this.#goOn(item, change, was)
  }

  // putBack makes an item anew that somebody deleted while the user was changing it.
  async putBack(item, { text, photo, was }) {
    const content = await this.#seen(item, was)
    return this.#put({ ...content, _id: item._id, text, ...(photo !== undefined && attach(photo)) })
  }

  // remove deletes an item, but not what the user has not seen of it.
  async remove(item) {
    const newest = await this.#newest(item).catch((err) => err.gone || Promise.reject(err))
    if (newest === true) return
    if (newest.text !== item.text || photoOf(newest) !== photoOf(item)) {
      throw new Error(`${newest.by ?? 'Somebody'} changed this item to “${newest.text}” meanwhile. It was not deleted.`)
    }
    await this.db.bulkDocs([newest, ...item.others].map(deletion))
  }

  // photo is an item's photo as a Blob, in one of its versions.
  photo({ _id, _rev }) {
    return this.db.getAttachment(_id, 'photo', { rev: _rev })
  }

  // keep ends a conflict: one version goes on, the others are deleted.
  async keep(doc, version) {
    if (version._rev !== doc._rev) await this.#goOn(doc, await this.#content(version))
    await this.db.bulkDocs(doc.others.map(deletion))
  }

  // keepAll ends an item's conflict too: each of the other versions becomes an item, beside it.
  async keepAll(item) {
    for (const other of item.others) await this.#put({ ...(await this.#content(other)), _id: `${item._id}:${crypto.randomUUID().slice(0, 8)}` })
    await this.keep(item, item)
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

  // #newest is the version that goes on now. Its error is gone if somebody deleted all.
  #newest({ _id }) {
    return this.db.get(_id).catch((err) => {
      throw err.status === 404 ? Object.assign(new Error('Somebody deleted this meanwhile.'), { gone: true }) : err
    })
  }

  // #change changes the newest version, for what does not depend on what else the user saw:
  // whoever ticks twice in a row has no conflict with themselves.
  async #change(doc, change) {
    const newest = await this.#newest(doc)
    return this.#put({ ...newest, ...change(newest) }).catch((err) => {
      if (err.status === 409) return this.#change(doc, change)
      throw err
    })
  }

  // #goOn changes what the user saw. Who changed something else of it meanwhile is no hindrance.
  // If it was the same, both versions are kept, and the user chooses.
  async #goOn(seen, change, was) {
    const newest = await this.#newest(seen)
    const kept = (name) => [seen, change].some((doc) => valueOf(doc, name) === valueOf(newest, name))
    if (newest._rev !== seen._rev && !Object.keys(change).every(kept)) {
      return this.#put({ ...(await this.#seen(seen, was)), _id: seen._id, _rev: seen._rev, ...change }, { force: true })
    }
    return this.#put({ ...newest, ...change }).catch((err) => {
      if (err.status === 409) return this.#goOn(seen, change, was)
      throw err
    })
  }

  // #content is what a version says, with its photo as such: a stub is good in its own
  // branch only.
  async #content({ _id, _rev, _conflicts, others, items, ...version }, photo) {
    return { ...version, ...attach(photoOf(version) && (photo ?? (await this.photo({ _id, _rev })))) }
  }

  // #seen is #content of a version that may be gone. What the user wrote counts more than a
  // photo that is nowhere any more.
  #seen(version, was) {
    return this.#content(version, was).catch(() => this.#content({ ...version, _attachments: {} }))
  }
}

const attach = (photo) => ({ _attachments: photo ? { photo: { content_type: photo.type, data: photo } } : {} })
const photoOf = ({ _attachments }) => _attachments?.photo && (_attachments.photo.digest ?? _attachments.photo)
const valueOf = (doc, name) => (name === '_attachments' ? photoOf(doc) : JSON.stringify(doc[name]))

// deletion says of which list an item was, and whose a list, so that it can be told who hears of it.
const deletion = ({ _id, _rev, type, list, owner, members }) => ({ _id, _rev, _deleted: true, type, list, owner, members })

// tidy drops what is not as the app writes it: whoever shares a list wrote what is in it.
function tidy(doc) {
  for (const name of ['name', 'text', 'by', 'at']) if (typeof doc[name] !== 'string') delete doc[name]
  if (doc.type !== 'list') return
  doc.name ??= doc._id.slice('list:'.length)
  doc.members = Array.isArray(doc.members) ? doc.members.filter((name) => typeof name === 'string') : []
}
