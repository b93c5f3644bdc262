export interface Part {
  readonly fields: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/** A whole multipart body as RFC 2046, section 5.1.1, has it: by its delimiters alone. Throws where a part's length says something else. */
export function readMultipart(type: string, bytes: Uint8Array): Part[] {
  const boundary = /^multipart\/mixed; boundary="([^"]+)"$/.exec(type)?.[1]
  if (boundary === undefined) throw new SyntaxError(`no boundary: ${type}`)
  const raw = Buffer.from(bytes).toString('latin1')
  const first = `--${boundary}\r\n`
  const end = raw.indexOf(`\r\n--${boundary}--`)
  if (!raw.startsWith(first) || end < 0 || raw.slice(end) !== `\r\n--${boundary}--\r\n`) throw new SyntaxError('no begin, or no end')
  return raw.slice(first.length, end).split(`\r\n--${boundary}\r\n`).map(partOf)
}

function partOf(raw: string): Part {
  const head = raw.indexOf('\r\n\r\n')
  if (head < 0) throw new SyntaxError(`no head: ${raw.slice(0, 80)}`)
  const fields = new Map<string, string>()
  for (const line of raw.slice(0, head).split('\r\n')) {
    const found = /^([A-Za-z-]+): ([ -~]*)$/.exec(line)
    const name = found?.[1]?.toLowerCase()
    if (name === undefined || fields.has(name)) throw new SyntaxError(`no field, or twice: ${line}`)
    fields.set(name, found?.[2] ?? '')
  }
  const body = raw.slice(head + 4)
  if (fields.get('content-length') !== String(body.length))
    throw new SyntaxError(`${body.length} bytes, said to be ${fields.get('content-length')}`)
  return { fields, body: Buffer.from(body, fields.get('content-transfer-encoding') === 'base64' ? 'base64' : 'latin1') }
}
