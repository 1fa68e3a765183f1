// Prints one ID token of USER (default alice), from the real flow at ISSUER.
import { signIn } from './lib/signin.mjs'
import { emit, need, run } from './lib/talk.mjs'

await run(async () => {
  const { id_token } = await signIn({
    issuer: need('ISSUER'),
    clientID: process.env.CLIENT_ID ?? 'notes',
    user: process.env.USER_NAME ?? 'alice',
  })
  emit('token', { token: id_token })
})
