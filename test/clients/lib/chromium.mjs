// A real browser: the Chromium that is installed, driven by playwright-core, which brings
// none of its own.
import { chromium } from 'playwright-core'
import { need } from './talk.mjs'

// launch starts it without a window. CHROMIUM is its path.
export function launch() {
  const root = process.getuid?.() === 0 // its sandbox does not work for root
  return chromium.launch({ executablePath: need('CHROMIUM'), args: root ? ['--no-sandbox'] : [] })
}
