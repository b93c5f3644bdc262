// What runs in the page: receivers as an application's author would write them, a few lines each, with nothing of Fanfare's in them. The functions are
// handed to the browser as text (`pageScript`), so they use nothing from outside but each other.

/** Where and how a page receives. */
export interface Plan {
  /** Origin of the server. */
  readonly base: string
  readonly channel: string
  readonly lanes: readonly string[]
  /** Default `earliest`, so that nothing depends on who is first. */
  readonly since?: string
  /** Connect again from the last cursor when the connection ends. */
  readonly again?: boolean
  /** Keep the page's address back where a request can. */
  readonly quiet?: boolean
  /** For a frame; default: a callback on the server's own origin, else the page's origin. */
  readonly targetOrigin?: string
}

/** A publication as it came: an envelope's payload as JSON with its type and encoding, or a bare payload as text or base64. Long ones are digests. */
export interface Told {
  readonly offset: number | null
  readonly is: string
}

export interface LaneReport {
  readonly name: string
  /** Opening cursors and heartbeats. */
  readonly begun: number
  readonly told: readonly Told[]
  /** Ends, errors and gaps. */
  readonly notes: readonly string[]
}

/** What `globalThis.lanes` is in the page. */
export interface Lanes {
  start(plan: Plan): void
  /** In a frame of opaque origin, sandboxed or a data: URL, that runs the script (`pageScript`). Its report is `insideReport`. */
  startInside(kind: 'sandbox' | 'data', plan: Plan, script: string): void
  /** `LaneReport[]` as JSON. */
  report(): string
  insideReport(): string
  readonly calls: Record<string, (told: unknown) => void>
}

interface Lane {
  readonly plan: Plan
  readonly index: number
  readonly name: string
  cursor: string
  begun: number
  readonly told: Told[]
  readonly notes: string[]
}

interface Heard {
  readonly cursor?: string
  readonly offset?: number
  readonly data?: unknown
  readonly type?: string
  readonly encoding?: string
  readonly error?: { readonly code: string }
  readonly gap?: { readonly reason: string }
  readonly ready?: object
  readonly ok?: object
  readonly heartbeat?: { readonly cursor: string }
}

interface Answer {
  readonly cursor: string
  readonly publications: readonly Heard[]
  readonly gaps: readonly { readonly reason: string }[]
  readonly error?: { readonly code: string }
}

export function pageScript(): string {
  return `(() => {${digest.toString()}\n;(${installLanes.toString()})()})()`
}

/** Short texts as they are; of long ones what tells them apart. */
export function digest(text: string): string {
  if (text.length <= 200) return text
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return `${text.slice(0, 40)}… of ${text.length}, ${hash.toString(16)}`
}

function installLanes(): void {
  const all: Lane[] = []
  const calls: Lanes['calls'] = {}
  let insideReport = '[]'

  function address({ plan, cursor }: Lane, transport: string, words: Readonly<Record<string, string>> = {}): string {
    const query = new URLSearchParams({ transport, since: cursor, ...words })
    return `${plan.base}/channels/${plan.channel}?${query.toString()}`
  }

  function socketAddress(lane: Lane, path: string): string {
    return lane.plan.base.replace(/^http/, 'ws') + path
  }

  function again(lane: Lane, note: string, open: (lane: Lane) => void): void {
    lane.notes.push(note)
    if (lane.plan.again === true) setTimeout(() => open(lane), 200)
  }

  function take(lane: Lane, { offset, cursor, data, type, encoding }: Heard): void {
    lane.cursor = cursor ?? lane.cursor
    lane.told.push({ offset: offset ?? null, is: digest(JSON.stringify([data, type ?? null, encoding ?? null])) })
  }

  function takeBare(lane: Lane, payload: string | Uint8Array, offset: number | null): void {
    lane.told.push({ offset, is: digest(typeof payload === 'string' ? `text ${payload}` : `bytes ${base64(payload)}`) })
  }

  function base64(bytes: Uint8Array): string {
    let text = ''
    for (const byte of bytes) text += String.fromCharCode(byte)
    return btoa(text)
  }

  /** What a line, a frame or a script says. */
  function hear(lane: Lane, told: Heard): void {
    if (told.error !== undefined) lane.notes.push(`error ${told.error.code}`)
    else if (told.gap !== undefined) lane.notes.push(`gap ${told.gap.reason}`)
    else if (told.offset !== undefined) take(lane, told)
    else {
      lane.begun++
      lane.cursor = told.cursor ?? lane.cursor
    }
  }

  function hearAnswer(lane: Lane, { cursor, publications, gaps, error }: Answer): void {
    if (error !== undefined) return void lane.notes.push(`error ${error.code}`)
    lane.begun++
    for (const gap of gaps) lane.notes.push(`gap ${gap.reason}`)
    for (const publication of publications) take(lane, publication)
    lane.cursor = cursor
  }

  async function read(lane: Lane, transport: string, use: (type: string, bytes: Uint8Array) => void): Promise<void> {
    const response = await fetch(address(lane, transport))
    const reader = response.ok ? response.body?.getReader() : undefined
    if (reader === undefined) throw new Error(`status ${response.status}`)
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      use(response.headers.get('Content-Type') ?? '', value)
    }
  }

  /** It connects again by itself; one that gives up (Firefox does where nobody listens, HTML section 9.2.2 allows it) is replaced. */
  function eventSource(lane: Lane, words: Readonly<Record<string, string>>, hears: (event: MessageEvent<string>) => void): void {
    const events = new EventSource(address(lane, 'sse', words))
    const hear = (event: MessageEvent<string>): void => {
      lane.cursor = event.lastEventId
      hears(event)
    }
    events.addEventListener('fanfare.ready', () => lane.begun++)
    events.addEventListener('fanfare.gap', () => lane.notes.push('gap'))
    events.addEventListener('message', hear)
    events.addEventListener('error', () => {
      if (events.readyState !== EventSource.CLOSED) lane.notes.push('connects again')
      else again(lane, 'gave up', () => eventSource(lane, words, hears))
    })
  }

  function websocket(lane: Lane): void {
    const socket = new WebSocket(`${socketAddress(lane, '')}${address(lane, 'websocket', { envelope: '1' }).slice(lane.plan.base.length)}`)
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => hear(lane, JSON.parse(data) as Heard))
    socket.addEventListener('close', ({ code }) => again(lane, `closed ${code}`, websocket))
  }

  function plainWebsocket(lane: Lane): void {
    const socket = new WebSocket(`${socketAddress(lane, '')}${address(lane, 'websocket').slice(lane.plan.base.length)}`)
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('open', () => lane.begun++)
    socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) =>
      takeBare(lane, typeof data === 'string' ? data : new Uint8Array(data), null),
    )
    socket.addEventListener('close', ({ code }) => lane.notes.push(`closed ${code}`))
  }

  function connection(lane: Lane): void {
    const socket = new WebSocket(socketAddress(lane, '/connect'), 'fanfare.v1')
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
      for (const told of [JSON.parse(data) as Heard | Heard[]].flat()) {
        if (told.ready !== undefined) socket.send(JSON.stringify({ id: 1, subscribe: { channel: lane.plan.channel, since: lane.cursor } }))
        else if (told.heartbeat !== undefined) lane.cursor = told.heartbeat.cursor
        else hear(lane, told)
      }
    })
    socket.addEventListener('close', ({ code }) => again(lane, `closed ${code}`, connection))
  }

  function stream(lane: Lane): void {
    const decoder = new TextDecoder()
    let rest = ''
    read(lane, 'stream', (_type, bytes) => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) hear(lane, JSON.parse(line) as Heard)
    }).then(
      () => again(lane, 'ended', stream),
      (error: unknown) => again(lane, String(error), stream),
    )
  }

  function multipart(lane: Lane): void {
    let rest = new Uint8Array()
    read(lane, 'multipart', (type, bytes) => {
      const joined = new Uint8Array(rest.length + bytes.length)
      joined.set(rest)
      joined.set(bytes, rest.length)
      const delimiter = `--${/boundary="([^"]+)"/.exec(type)?.[1] ?? ''}`
      rest = joined.slice(takeParts(lane, joined, delimiter))
    }).then(
      () => again(lane, 'ended', multipart),
      (error: unknown) => again(lane, String(error), multipart),
    )
  }

  /** Takes each whole part, delimiter first. Answers how many bytes it has used. */
  function takeParts(lane: Lane, bytes: Uint8Array, delimiter: string): number {
    const latin1 = new TextDecoder('latin1')
    for (let from = 0; ;) {
      const text = latin1.decode(bytes.subarray(from, from + 2000))
      const head = text.indexOf('\r\n\r\n')
      if (head < 0) return from
      if (!text.startsWith(`${delimiter}\r\n`)) throw new Error(`no delimiter: ${text.slice(0, 80)}`)
      const fields = new Map(
        text
          .slice(delimiter.length + 2, head)
          .split('\r\n')
          .map((line): [string, string] => [line.split(': ')[0]?.toLowerCase() ?? '', line.slice(line.indexOf(': ') + 2)]),
      )
      const begin = from + head + 4
      const end = begin + Number(fields.get('content-length'))
      if (bytes.length < end + 2) return from
      takePart(lane, fields, bytes.slice(begin, end))
      from = end + 2
    }
  }

  function takePart(lane: Lane, fields: ReadonlyMap<string, string>, raw: Uint8Array): void {
    const text = (): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
    const body =
      fields.get('content-transfer-encoding') === 'base64'
        ? Uint8Array.from(atob(new TextDecoder().decode(raw)), (character) => character.charCodeAt(0))
        : raw
    const told = fields.get('fanfare-gap') ?? fields.get('fanfare-error')
    if (told !== undefined) return void lane.notes.push(told)
    lane.cursor = fields.get('fanfare-cursor') ?? lane.cursor
    const offset = fields.get('fanfare-offset')
    if (offset === undefined) lane.begun++
    else takeBare(lane, /^(?:text\/|application\/json)/.test(fields.get('content-type') ?? '') ? text() : body, Number(offset))
  }

  async function poll(lane: Lane, transport: string, words: Readonly<Record<string, string>>, idleMs: number): Promise<void> {
    for (;;) {
      try {
        const response = await fetch(address(lane, transport, words))
        if (!response.ok) throw new Error(`status ${response.status}`)
        const answer = (await response.json()) as Answer
        if (response.headers.get('Fanfare-Cursor') !== answer.cursor) lane.notes.push('the header Fanfare-Cursor is not the cursor')
        hearAnswer(lane, answer)
      } catch (error) {
        lane.notes.push(String(error))
        if (lane.plan.again !== true) return
      }
      await new Promise((resolve) => setTimeout(resolve, idleMs))
    }
  }

  function iframe(lane: Lane): void {
    const { base, targetOrigin, quiet } = lane.plan
    const frame = document.createElement('iframe')
    const callback = `lanes.calls.frame${lane.index}`
    const posted = targetOrigin ?? (base === location.origin ? undefined : location.origin)
    let silence: ReturnType<typeof setTimeout> | undefined
    const alive = (): void => {
      clearTimeout(silence)
      silence = setTimeout(() => renew('silence'), 3000)
    }
    const told = (message: unknown): void => {
      alive()
      hear(lane, message as Heard)
    }
    const message = (event: MessageEvent): void => {
      if (event.source === frame.contentWindow && event.origin === base) told(event.data)
    }
    const renew = (note: string): void => {
      clearTimeout(silence)
      removeEventListener('message', message)
      frame.remove()
      again(lane, note, iframe)
    }
    calls[`frame${lane.index}`] = told
    addEventListener('message', message)
    frame.addEventListener('load', () => renew('ended'))
    frame.hidden = true
    if (quiet === true) frame.referrerPolicy = 'no-referrer'
    frame.src = address(lane, 'iframe', posted === undefined ? { callback } : { targetOrigin: posted })
    alive()
    document.body.append(frame)
  }

  function jsonp(lane: Lane): void {
    const script = document.createElement('script')
    const next = (idleMs: number): void => {
      script.remove()
      setTimeout(() => jsonp(lane), idleMs)
    }
    calls[`jsonp${lane.index}`] = (answer) => hearAnswer(lane, answer as Answer)
    script.addEventListener('load', () => next(0))
    script.addEventListener('error', () => {
      lane.notes.push('no script')
      if (lane.plan.again === true) next(200)
    })
    if (lane.plan.quiet === true) script.referrerPolicy = 'no-referrer'
    script.src = address(lane, 'jsonp', { callback: `lanes.calls.jsonp${lane.index}`, wait: '1' })
    document.head.append(script)
  }

  const openers: Readonly<Record<string, (lane: Lane) => void>> = {
    EventSource: (lane) =>
      eventSource(lane, { envelope: '1' }, ({ data, lastEventId }) => {
        const publication = JSON.parse(data) as Heard
        if (publication.cursor !== lastEventId) lane.notes.push('lastEventId is not the cursor')
        take(lane, publication)
      }),
    'plain EventSource': (lane) => eventSource(lane, {}, ({ data }) => takeBare(lane, data, null)),
    WebSocket: websocket,
    'plain WebSocket': plainWebsocket,
    'fanfare.v1': connection,
    stream: stream,
    multipart: multipart,
    'long-poll': (lane) => void poll(lane, 'long-poll', { wait: '2' }, 0),
    poll: (lane) => void poll(lane, 'poll', {}, 100),
    iframe: iframe,
    jsonp: jsonp,
  }

  const lanes: Lanes = {
    calls,
    start(plan) {
      for (const name of plan.lanes) {
        const lane: Lane = { plan, index: all.length, name, cursor: plan.since ?? 'earliest', begun: 0, told: [], notes: [] }
        all.push(lane)
        openers[name]?.(lane)
      }
    },
    startInside(kind, plan, script) {
      const post = 'setInterval(() => parent.postMessage({ inside: lanes.report() }, "*"), 100)'
      const html = `<body><script>${script};lanes.start(${JSON.stringify(plan)});${post}</script>`
      const frame = document.createElement('iframe')
      addEventListener('message', ({ data, source: from }: MessageEvent<{ inside?: string }>) => {
        if (from === frame.contentWindow) insideReport = data.inside ?? insideReport
      })
      if (kind === 'sandbox') {
        frame.setAttribute('sandbox', 'allow-scripts')
        frame.srcdoc = html
      } else frame.src = `data:text/html;charset=utf-8,${encodeURIComponent(html)}`
      document.body.append(frame)
    },
    report: () => JSON.stringify(all.map(({ name, begun, told, notes }): LaneReport => ({ name, begun, told, notes }))),
    insideReport: () => insideReport,
  }
  Object.assign(globalThis, { lanes })
}
