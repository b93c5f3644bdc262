import { isProblem } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import { chooseTransport, wayProblem } from '../../src/transports/negotiate.ts'
import { transportNames } from '../../src/transports/names.ts'

const wish = { named: undefined, upgrade: false, accept: undefined, waits: false }

describe('the transport (CONTRACT section 4)', () => {
  it.each([
    [undefined, 'poll'],
    ['*/*', 'poll'],
    ['application/json', 'poll'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'poll'],
    ['text/*', 'poll'],
    ['text/event-stream', 'sse'],
    ['TEXT/Event-Stream', 'sse'],
    ['text/event-stream, */*;q=0.1', 'sse'],
    ['text/event-stream;q=0.1, application/json', 'poll'],
    ['text/event-stream;q=0', 'poll'],
    ['application/json;q=0.5, text/event-stream;q=0.9', 'sse'],
    ['application/x-ndjson', 'stream'],
    ['multipart/mixed', 'multipart'],
    ['application/x-ndjson;q=0.2, text/event-stream;q=0.3', 'sse'],
    ['application/x-ndjson;q=0.5, */*', 'poll'],
    ['nonsense', 'poll'],
  ])('of Accept: %s is %s', (accept, expected) => {
    expect(chooseTransport({ ...wish, accept })).toBe(expected)
  })

  it('of a poll that may wait is long-poll; a stream does not become one', () => {
    expect(chooseTransport({ ...wish, waits: true })).toBe('long-poll')
    expect(chooseTransport({ ...wish, waits: true, accept: 'text/event-stream' })).toBe('sse')
  })

  it('of an upgrade is websocket, whatever it accepts', () => {
    expect(chooseTransport({ ...wish, upgrade: true, accept: 'text/event-stream' })).toBe('websocket')
  })

  it('that is named counts before all else', () => {
    for (const named of transportNames) expect(chooseTransport({ ...wish, named, accept: 'text/event-stream', waits: true })).toBe(named)
  })

  it.each(['', 'SSE', 'ws', 'sockjs', '__proto__', 'toString'])('that nobody knows (%s) is a problem', (named) => {
    const chosen = chooseTransport({ ...wish, named })
    expect(isProblem(chosen) && chosen.code).toBe('transport-unknown')
  })

  it('must fit the way: websocket an upgrade, all others none', () => {
    for (const name of transportNames) {
      expect(wayProblem(name, name === 'websocket')).toBeUndefined()
      expect(wayProblem(name, name !== 'websocket')?.code).toBe(name === 'websocket' ? 'upgrade-required' : 'upgrade-invalid')
    }
  })
})
