/** Members of a JSON object, each as the text it stands there with: payloads must arrive as they were written. */
export function rawMembers(text: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>()
  let at = skipSpace(text, 0)
  if (text[at] !== '{') throw new SyntaxError(`no object: ${text.slice(0, 80)}`)
  at = skipSpace(text, at + 1)
  while (text[at] !== '}') {
    const nameEnd = skipValue(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const colon = skipSpace(text, nameEnd)
    if (text[colon] !== ':') throw new SyntaxError(`no colon at ${colon}: ${text.slice(0, 80)}`)
    const begin = skipSpace(text, colon + 1)
    const end = skipValue(text, begin)
    members.set(name, text.slice(begin, end))
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
    else if (text[at] !== '}') throw new SyntaxError(`no end at ${at}: ${text.slice(0, 80)}`)
  }
  return members
}

/** Elements of a JSON array, each as its text. */
export function rawElements(text: string): readonly string[] {
  const elements: string[] = []
  let at = skipSpace(text, 0)
  if (text[at] !== '[') throw new SyntaxError(`no array: ${text.slice(0, 80)}`)
  at = skipSpace(text, at + 1)
  while (text[at] !== ']') {
    const end = skipValue(text, at)
    elements.push(text.slice(at, end))
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
    else if (text[at] !== ']') throw new SyntaxError(`no end at ${at}: ${text.slice(0, 80)}`)
  }
  return elements
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return at
}

/** The end of the value that begins at `from`. */
function skipValue(text: string, from: number): number {
  if (text[from] === '"') return skipString(text, from)
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = skipString(text, at) - 1
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']' || character === ',') {
      if (depth === 0) return at
      if (character !== ',') depth--
      if (depth === 0 && character !== ',') return at + 1
    } else if (depth === 0 && (character === ' ' || character === '\n' || character === '\r' || character === '\t')) return at
  }
  if (depth > 0) throw new SyntaxError(`no end: ${text.slice(from, from + 80)}`)
  return text.length
}

function skipString(text: string, from: number): number {
  let at = from + 1
  while (text[at] !== '"') {
    if (at >= text.length) throw new SyntaxError(`no end of a string: ${text.slice(from, from + 80)}`)
    at += text[at] === '\\' ? 2 : 1
  }
  return at + 1
}
