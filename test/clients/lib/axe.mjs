// What a screen reader, a keyboard and weak eyes would stumble over in a page, as far as
// axe-core finds it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// check fails if there is a serious or a critical finding, of some rules or of all.
export async function check(page, where, rules) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source)
  const { violations, passes } = await page.evaluate((values) => window.axe.run(document, { resultTypes: ['violations'], ...(values && { runOnly: { type: 'rule', values } }) }), rules)
  if (passes.length === 0) throw new Error(`${where}: nothing was checked`)
  const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  const lines = found.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${id} (${help}) at ${target}: ${failureSummary}`))
  if (lines.length) throw new Error(`${where}: ${lines.join('\n')}`)
  return violations.map(({ id, impact }) => `${where}: ${impact} ${id}`)
}
