// docs/sign-in.md, way 1: PouchDB with an ID token.
const idToken = async () => process.env.TOKEN

/* the block of the page */

await new PouchDB('notes-alice').put({ _id: 'way 1', text: 'written offline' })
while (!(await remote.get('way 1').catch(() => null))) await new Promise((done) => setTimeout(done, 50))
process.exit(0)
