/**
 * The JSON that stands as an expression in a script: without anything that a script, or the markup around it, would read as more than data. What scripts
 * write in another way than JSON does is turned back: a name that would set a prototype stands in brackets.
 */
export function jsonOfScript(expression: string): string {
  const found = /[<>&'\u2028\u2029]/.exec(expression)
  if (found !== null) throw new SyntaxError(`${JSON.stringify(found[0])} in a script: ${expression.slice(found.index, found.index + 80)}`)
  if (/(?<!\[)"__proto__"\s*:/.test(expression)) throw new SyntaxError('a script that sets a prototype')
  return expression.replaceAll('["__proto__"]', '"__proto__"')
}
