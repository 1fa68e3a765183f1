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

// fits fails if something on a phone is wider than the screen, or too small for a finger:
// less than 44 px high or wide.
export async function fits(page, where) {
  const wrong = await page.evaluate(() => {
    const pressed = 'button, a[href], label.tick, label.check, label.button, input:not([type=checkbox], [type=file]), textarea, select'
    const seen = [...document.querySelectorAll(pressed)].filter((element) => element.checkVisibility())
    const small = seen.filter((element) => {
      const { width, height } = element.getBoundingClientRect()
      return width < 43.9 || height < 43.9
    })
    const wide = document.documentElement.scrollWidth > innerWidth ? ['the page is wider than the screen'] : []
    return [...wide, ...small.map((element) => `too small: ${element.outerHTML.slice(0, 120)}`)]
  })
  if (wrong.length) throw new Error(`${where}: ${wrong.join('; ')}`)
}
