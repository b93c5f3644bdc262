/** What all transports with envelopes say: a publication, a gap, an error at the end, or a place. */
export function take(call, message) {
  if ('offset' in message) call.publication(message)
  else if ('gap' in message) call.gap(message.gap)
  else if ('error' in message) call.ended(message.error)
  else if ('cursor' in message) call.place(message.cursor)
}

/** What a poll answers. */
export function takeAnswer(call, { error, gaps, publications, cursor }) {
  if (error !== undefined) return call.ended(error)
  for (const gap of gaps) call.gap(gap)
  for (const publication of publications) call.publication(publication)
  call.place(cursor)
}

/** Bytes of NDJSON, cut anywhere, become messages. */
export function lineReader(onMessage) {
  const decoder = new TextDecoder()
  let rest = ''
  return (bytes) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop()
    for (const line of lines) if (line !== '') onMessage(JSON.parse(line))
  }
}

/** Bytes of `multipart/mixed` with envelopes, cut anywhere, become messages. */
export function partReader(onMessage) {
  let rest = new Uint8Array()
  return (bytes) => {
    const joined = new Uint8Array(rest.length + bytes.length)
    joined.set(rest)
    joined.set(bytes, rest.length)
    rest = joined
    for (let part = firstPart(rest); part !== undefined; part = firstPart(rest)) {
      rest = rest.subarray(part.end)
      onMessage(messageOf(part))
    }
  }
}

// A letter for each byte, so that places in the text are places in the bytes.
const asLetters = new TextDecoder('latin1')
const asText = new TextDecoder()

/** A delimiter's line, header fields, an empty line, and as many bytes as Content-Length says. */
function firstPart(bytes) {
  const head = /^(?:\r\n)?--.*\r\n([^]*?)\r\n\r\n/.exec(asLetters.decode(bytes))
  if (head === null) return undefined
  const fields = new Map(
    head[1].split('\r\n').map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  )
  const begin = head[0].length
  const end = begin + Number(fields.get('content-length'))
  return end > bytes.length ? undefined : { fields, body: bytes.subarray(begin, end), end }
}

function messageOf({ fields, body }) {
  if (body.length === 0) return { cursor: fields.get('fanfare-cursor') }
  const coded = fields.get('content-transfer-encoding') === 'base64'
  const plain = coded ? Uint8Array.from(atob(asLetters.decode(body)), (letter) => letter.charCodeAt(0)) : body
  const json = JSON.parse(asText.decode(plain))
  return fields.has('fanfare-gap') ? { gap: json } : json
}
