import { limits } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import type { FanfareNode } from '../../src/core/node-contract.ts'
import type { Receiver, Sink } from '../../src/core/sink.ts'
import { fanfareV1 } from '../../src/protocols/fanfare-v1.ts'
import type { Link } from '../../src/protocols/protocol.ts'

// The heartbeat of a connection holds for each of its channels: it may not pass over what one of them has not sent yet.

/** A conversation whose receivers stand where the test says; undefined is one that is behind. */
function setUp(places: readonly (number | undefined)[]): { sent: string[]; beat: () => void; full: (full: boolean) => void } {
  const sent: string[] = []
  let next = 0
  const node = {
    token: (place: number) => `t${place}`,
    receive(_request: unknown, sink: Sink): Receiver {
      const place = places[next++]
      queueMicrotask(() => sink.begin(0, []))
      const beat = (): void => (place === undefined ? undefined : sink.mark(place))
      return { place: place ?? 0, drained: () => undefined, expire: () => undefined, close: () => undefined, beat }
    },
  } as unknown as FanfareNode
  const link = {
    framing: { key: 'test', text: () => undefined, binary: () => undefined },
    full: false,
    send: (text: string) => void sent.push(text),
    hold: () => undefined,
    release: () => undefined,
  }
  const context = { node, limits, nodeName: 'n', report: () => undefined }
  const conversation = fanfareV1.converse(link as unknown as Link, context)
  const commands = places.map((_, id) => ({ id, subscribe: { channel: `c${id}` } }))
  if (commands.length > 0) conversation.message(Buffer.from(JSON.stringify(commands)), false)
  return {
    sent,
    beat() {
      sent.length = 0
      conversation.beat()
    },
    full: (full) => (link.full = full),
  }
}

describe('the heartbeat of a connection', () => {
  it('is one for all its channels, with the smallest of their places', () => {
    const { sent, beat } = setUp([12, 7, 30])
    beat()
    expect(sent).toEqual(['{"heartbeat":{"cursor":"t7"}}'])
  })

  it('is none while one of them is behind, or nothing is followed, or the client takes nothing', () => {
    const behind = setUp([12, undefined, 30])
    behind.beat()
    expect(behind.sent).toEqual([])
    const nothing = setUp([])
    nothing.beat()
    expect(nothing.sent).toEqual([])
    const stuck = setUp([5])
    stuck.full(true)
    stuck.beat()
    expect(stuck.sent).toEqual([])
  })
})
