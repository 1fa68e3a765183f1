// The notes on this device: a PouchDB of each user's own, so that whoever signs in after
// somebody else neither sees nor sends their notes.

/* global PouchDB */

export class Notes {
  db

  constructor(user) {
    this.db = new PouchDB(`notes-${encodeURIComponent(user)}`, { auto_compaction: true })
    this.user = user
  }

  add(text) {
    const now = new Date().toISOString()
    return this.db.put({ _id: `${now}-${crypto.randomUUID().slice(0, 8)}`, type: 'note', text, by: this.user, changed: now })
  }

  // edit goes on from the revision that the user saw. If another one came meanwhile both
  // are kept, and the user chooses.
  async edit({ others, _conflicts, ...seen }, text) {
    const next = { ...seen, text, by: this.user, changed: new Date().toISOString() }
    try {
      await this.db.put(next)
    } catch (err) {
      if (err.status !== 409) throw err
      await this.db.put(next, { force: true })
    }
  }

  remove({ _id, _rev }) {
    return this.db.remove(_id, _rev)
  }

  // all are the notes, newest first. One that was changed on two devices at once has
  // `others`, the versions that did not win.
  async all() {
    const { rows } = await this.db.allDocs({ include_docs: true, conflicts: true, descending: true })
    const notes = rows.map(({ doc }) => doc).filter(({ type }) => type === 'note')
    for (const note of notes) {
      const losing = (note._conflicts ?? []).map((rev) => this.db.get(note._id, { rev }).catch(() => undefined))
      note.others = (await Promise.all(losing)).filter((other) => other && !other._deleted)
    }
    return notes
  }

  // keep ends a conflict: one version becomes the newest, the others are deleted.
  async keep(note, version) {
    if (version._rev !== note._rev) await this.edit(note, version.text)
    for (const { _id, _rev } of note.others) await this.db.remove(_id, _rev)
  }

  // watch calls back when something has changed, here or by the sync.
  watch(changed) {
    this.db.changes({ since: 'now', live: true }).on('change', changed)
  }

  close() {
    return this.db.close()
  }

  destroy() {
    return this.db.destroy()
  }
}
