// panva's oidc-provider on loopback: the independent provider of the tests. Its built-in
// development forms take any name and password; sub is the name.
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import Provider from 'oidc-provider'
import { emit, need } from '../lib/talk.mjs'

const port = Number(need('PORT'))
const issuer = `http://127.0.0.1:${port}`

// The same keys after a restart, as a real provider has.
function keys() {
  const file = process.env.KEYS
  if (file && existsSync(file)) return JSON.parse(readFileSync(file))
  const made = [
    ['rsa', { modulusLength: 2048 }, 'RS256'],
    ['ec', { namedCurve: 'P-256' }, 'ES256'],
    ['ed25519', {}, 'EdDSA'],
  ].map(([kind, options, alg]) => {
    const { privateKey } = generateKeyPairSync(kind, options)
    return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: `test-${alg}` }
  })
  const jwks = { keys: made }
  if (file) writeFileSync(file, JSON.stringify(jwks), { mode: 0o600 })
  return jwks
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

const provider = new Provider(issuer, {
  clients: [client('notes', 'RS256'), client('notes-es', 'ES256'), client('notes-ed', 'EdDSA')],
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
  features: { devInteractions: { enabled: true } },
})

provider.on('server_error', (_, err) => console.error(err.stack))
provider.listen(port, '127.0.0.1', () => emit('listening', { issuer }))
