import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

// How the page at / publishes: a module for browsers that needs no document, seen from Node.

interface Sent {
  readonly status: number
  readonly result: unknown
  readonly ms: number
}
interface SendModule {
  readonly send: (address: string, request: object, key: string, say: (what: string) => void) => Promise<Sent>
}
const { send } = (await import(new URL('../../page/send.js', import.meta.url).href)) as SendModule

const created = (): Response => Response.json({ offset: 7 }, { status: 201 })
const refused = (status: number, code: string): Response => Response.json({ code, detail: `it is ${code}` }, { status })
const cut = (): Response => new Response('{"off', { status: 201 })
const none = (): Response => {
  throw new TypeError('network')
}

/** Publishes to a server that answers so, one after the other and the last for ever. */
async function sendTo(...answers: readonly (() => Response)[]) {
  const keys: (string | null)[] = []
  const said: string[] = []
  vi.stubGlobal('fetch', async (_: string, { headers }: RequestInit) => {
    const answer = answers[Math.min(keys.length, answers.length - 1)] ?? none
    keys.push(new Headers(headers).get('Idempotency-Key'))
    return answer()
  })
  const sent = send('/channels/demo', { headers: {}, body: 'x' }, 'key-1', (what) => said.push(what)).then(
    ({ status, result }) => ({ status, result }),
    (error: unknown) => (error instanceof Error ? error.message : error),
  )
  await vi.advanceTimersByTimeAsync(120_000)
  return { outcome: await sent, keys, said }
}

describe('the box of the page', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('publishes with a key', async () => {
    expect(await sendTo(created)).toEqual({ outcome: { status: 201, result: { offset: 7 } }, keys: ['key-1'], said: ['sending…'] })
  })

  it.each([
    ['nobody answers', none],
    ['the answer is cut in its body', cut],
    ['something went wrong inside', () => refused(500, 'internal')],
    ['a proxy finds nobody', () => new Response('<html>', { status: 502 })],
  ])('asks again with the same key where %s', async (_, lost) => {
    const { outcome, keys, said } = await sendTo(lost, lost, created)
    expect(outcome).toEqual({ status: 201, result: { offset: 7 } })
    expect(keys).toEqual(['key-1', 'key-1', 'key-1'])
    expect(said).toEqual(['sending…', 'no answer yet, trying again', 'no answer yet, trying again'])
  })

  it('gives up after a minute, and says that nobody knows', async () => {
    const { outcome, keys } = await sendTo(none)
    expect(outcome).toBe('no answer: it may have been published')
    expect(keys.length).toBeGreaterThan(5)
    expect(new Set(keys).size).toBe(1)
  })

  it.each([
    [400, 'payload-malformed'],
    [403, 'origin-refused'],
    [507, 'storage-full'],
  ])('takes a refusal with %d %s for an answer', async (status, code) => {
    expect(await sendTo(() => refused(status, code))).toEqual({
      outcome: `not published: it is ${code}`,
      keys: ['key-1'],
      said: ['sending…'],
    })
  })

  it('tries again what is refused for now, and knows that it was not published', async () => {
    const { outcome, said } = await sendTo(() => refused(503, 'draining'))
    expect(outcome).toBe('not published: it is draining')
    expect(said[1]).toBe('trying again: it is draining')
  })

  it('does not take a refusal behind a lost answer for one of the message', async () => {
    expect((await sendTo(none, () => refused(403, 'origin-refused'))).outcome).toBe('it is origin-refused: it may have been published')
  })
})
