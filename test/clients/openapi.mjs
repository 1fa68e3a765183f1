// Checks an OpenAPI description: one event for each problem that Redocly finds in FILE.
import { createConfig, lint } from '@redocly/openapi-core'
import { emit, need, run } from './lib/talk.mjs'

// How a description should read is not judged here, but whether it is a valid one, and whether its examples fit.
const rules = {
  struct: 'error',
  'no-unresolved-refs': 'error',
  'no-unused-components': 'error',
  'no-identical-paths': 'error',
  'path-parameters-defined': 'error',
  'path-declaration-must-exist': 'error',
  'operation-parameters-unique': 'error',
  'operation-tag-defined': 'error',
  'operation-summary': 'error',
  'no-enum-type-mismatch': 'error',
  'no-schema-type-mismatch': 'error',
  'no-required-schema-properties-undefined': 'error',
  'no-invalid-schema-examples': 'error',
  'no-invalid-media-type-examples': 'error',
  'no-invalid-parameter-examples': 'error',
  'spec-components-invalid-map-name': 'error',
  'security-defined': 'error',
  'tag-description': 'off',
}

await run(async () => {
  const problems = await lint({ ref: need('FILE'), config: await createConfig({ rules }) })
  for (const { ruleId, message, location } of problems) {
    emit('problem', { rule: ruleId, message, at: location.map((l) => l.pointer).join(' ') })
  }
  emit('checked', { problems: problems.length })
})
