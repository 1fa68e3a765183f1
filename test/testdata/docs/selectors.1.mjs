// docs/selectors.md: a replication that takes what matches.
import PouchDB from 'pouchdb'

const remote = new PouchDB(`${process.env.SYNC_URL}/notes`, {
  fetch: (url, options) => {
    options.headers.set('Authorization', `Bearer ${process.env.TOKEN}`)
    return PouchDB.fetch(url, options)
  },
})
await remote.bulkDocs([{ _id: 'note', type: 'note' }, { _id: 'done', type: 'task', done: true }, { _id: 'open', type: 'task', done: false }])

/* the block of the page */

while ((await local.info()).doc_count === 0) await new Promise((done) => setTimeout(done, 50))
const { rows } = await local.allDocs()
if (rows.map((row) => row.id).join() !== 'open') throw new Error(JSON.stringify(rows))
process.exit(0)
