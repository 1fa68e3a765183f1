// panva's oidc-provider on loopback: the independent provider of the tests. Its built-in
// development forms take any name and password; sub is the name.
//
// Clients: notes, notes-es and notes-ed are public and sign in by themselves; notes-site
// (public) and notes-web (confidential) are what the sync server is. Environment:
//   PORT         of the issuer
//   KEYS         file of the signing keys, made if there is none
//   ROTATE       keep or drop: make new keys, and keep the old ones published or not
//   CALLBACKS    redirect URIs of notes-site and notes-web, separated by spaces
//   AFTER_LOGOUT their post-logout redirect URIs
//   BACKCHANNEL  where they are told of a logout; notes-web wants the sid as well
//   SECRET       of notes-web; without it there is no such client
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import Provider from 'oidc-provider'
import { emit, need } from '../lib/talk.mjs'

const port = Number(need('PORT'))
const issuer = `http://127.0.0.1:${port}`
const list = (name) => (process.env[name] ?? '').split(' ').filter(Boolean)

// The same keys after a restart, as a real provider has. The first of each algorithm signs.
function keys() {
  const file = process.env.KEYS
  const old = file && existsSync(file) ? JSON.parse(readFileSync(file)).keys : []
  const rotate = process.env.ROTATE
  if (old.length > 0 && !rotate) return { keys: old }
  const jwks = { keys: rotate === 'keep' ? [...made(), ...old] : made() }
  if (file) writeFileSync(file, JSON.stringify(jwks), { mode: 0o600 })
  return jwks
}

function made() {
  const generation = Date.now().toString(36)
  return [
    ['rsa', { modulusLength: 2048 }, 'RS256'],
    ['ec', { namedCurve: 'P-256' }, 'ES256'],
    ['ed25519', {}, 'EdDSA'],
  ].map(([kind, options, alg]) => {
    const { privateKey } = generateKeyPairSync(kind, options)
    return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: `${alg}-${generation}` }
  })
}

const client = (id, alg) => ({
  client_id: id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1:8976/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  id_token_signed_response_alg: alg,
})

// What the sync server is to this provider. A native app's redirect URIs may be http on
// loopback; a web app's may not.
function servers() {
  if (list('CALLBACKS').length === 0) return []
  const common = {
    redirect_uris: list('CALLBACKS'),
    post_logout_redirect_uris: list('AFTER_LOGOUT'),
    ...(process.env.BACKCHANNEL && { backchannel_logout_uri: process.env.BACKCHANNEL }),
  }
  const site = { ...client('notes-site', 'RS256'), ...common }
  if (!process.env.SECRET) return [site]
  return [site, {
    ...client('notes-web', 'ES256'),
    ...common,
    token_endpoint_auth_method: 'client_secret_basic',
    client_secret: process.env.SECRET,
    ...(process.env.BACKCHANNEL && { backchannel_logout_session_required: true }),
  }]
}

const provider = new Provider(issuer, {
  clients: [client('notes', 'RS256'), client('notes-es', 'ES256'), client('notes-ed', 'EdDSA'), ...servers()],
  jwks: keys(),
  cookies: { keys: ['only for tests'] },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, preferred_username: id, email: `${id}@example.com`, email_verified: true }),
  }),
  ttl: { IdToken: Number(process.env.ID_TOKEN_TTL ?? 3600), AccessToken: 3600, RefreshToken: 86400, Session: 3600, Grant: 3600, Interaction: 600 },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // Its own refuses addresses of this machine, where everything here is.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
})

provider.on('server_error', (_, err) => console.error(err.stack))
provider.on('backchannel.error', (_, err, told) => console.error('back-channel logout', told.clientId, err.message))
provider.on('backchannel.success', (_, told) => emit('told', { client: told.clientId }))
provider.listen(port, '127.0.0.1', () => emit('listening', { issuer }))
