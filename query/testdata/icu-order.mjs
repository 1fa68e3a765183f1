// Writes icu-order.txt: strings in the order of ICU's root collation, by Node.js, whose
// Intl.Collator is ICU. A line is a JSON array of strings that are equal in it.
//
//   node testdata/icu-order.mjs > testdata/icu-order.txt
const collator = new Intl.Collator('en') // English is not tailored
const strings = new Set(['', 'a', 'A', 'b', 'resume', 'Resume', 'résumé', 'Résumé', 're\u0301sume\u0301', 'résume', 'rE', 'co-op', 'coop', 'co op',
  'Co-op', 'aa', 'aA', 'Aa', 'AA', 'ab', 'æ', 'ae', 'AE', 'œ', 'ß', 'ss', 'SS', 'ø', 'o', 'ö', 'oe', 'Å', 'A\u030a', '\u212b', 'å', 'ﬁ', 'fi', '½', '1/2',
  '１', '1', '10', '2', '9', 'a1', 'a10', 'a2', 'l·l', 'l', 'll', 'ŀ', 'a\u0000', 'a\u0001b', 'a\u00ad', 'a\tb', 'a\nb', 'a\u00a0b', 'a b', 'a\u2028b', '日本',
  '日本語', '中国', 'かな', 'カナ', 'ｶﾅ', 'が', 'か', 'か\u3099', 'ー', '한국', '한', '\u1112\u1161\u11ab', 'א', 'שלום', 'عربي', 'α', 'Α', 'ά', 'ω', 'ς', 'σ', 'я', 'Я',
  'ё', 'е', 'е\u0308', 'й', 'и', 'ไทย', 'เก', 'ก', 'หมา', 'नमस्ते', '€', '$', '£', '¥', '©', '™', '→', '∞', '☃', '♥', '\u{1f600}', 'a\ufff0', 'a\uffff', '\uffff',
  'https://example.com/', 'alice@example.com', '2026-11-26T10:30:00Z', '_design/x', '-1', '+1', '~', '{}', '[]', '"', '\\'])
for (const [from, to] of [[0x20, 0x7e], [0xa0, 0x17f], [0x386, 0x3ce], [0x400, 0x45f], [0x5d0, 0x5ea], [0x621, 0x64a], [0xe01, 0xe2e], [0x3041, 0x3096], [0x30a1, 0x30fa]]) {
  for (let c = from; c <= to; c++) {
    const s = String.fromCodePoint(c)
    if (/\p{Cn}/u.test(s)) continue
    if ('ЃЌѓќ'.includes(s)) continue // letters of their own in golang.org/x/text's version of the order
    strings.add('x' + s)
    strings.add(s + 'x')
  }
}
const sorted = [...strings].sort((a, b) => collator.compare(a, b) || (a < b ? -1 : 1))
let line = []
for (const s of sorted) {
  if (line.length && collator.compare(line[0], s) !== 0) {
    console.log(JSON.stringify(line))
    line = []
  }
  line.push(s)
}
console.log(JSON.stringify(line))
