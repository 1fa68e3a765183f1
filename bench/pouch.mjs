// An unmodified PouchDB that pulls or pushes everything once, for the bench.
import { local, remote, finished } from '../test/clients/lib/pouch.mjs'
import { emit, heard, need, run } from '../test/clients/lib/talk.mjs'

await run(async () => {
  const there = remote(need('URL'), () => need('TOKEN'))
  const here = local()
  const count = Number(need('DOCS'))
  const size = Number(need('SIZE'))
  if (process.argv[2] === 'push') {
    for (let from = 0; from < count; from += 500) {
      const docs = []
      for (let n = from; n < Math.min(from + 500, count); n++) {
        docs.push({ _id: `p${String(n).padStart(7, '0')}`, n, text: text(size - 40) })
      }
      await here.bulkDocs(docs)
    }
  }
  await here.info()
  const awake = setInterval(() => {}, 1000) // waiting for a command keeps no script alive
  emit('ready')
  await heard('go')
  clearInterval(awake)
  const replication = process.argv[2] === 'push' ? here.replicate.to(there) : here.replicate.from(there)
  const { docs_written: documents } = await finished(replication)
  emit('replicated', { documents })
})

// text is half random, as the bench's own documents are.
function text(size) {
  let random = ''
  while (random.length < size / 2) random += Math.random().toString(36).slice(2)
  return random.slice(0, size / 2).padEnd(size, 'and then some more of the same ')
}
