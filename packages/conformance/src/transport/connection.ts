import { describe, expect, it, onTestFinished } from 'vitest'
import { askHttp, channelPath } from '../receivers/http.ts'
import { sseEnvelopeReceiver } from '../receivers/sse.ts'
import type { Bed } from './bed.ts'
import { freshChannel } from './publisher.ts'
import { Talk } from './talk.ts'
import { countTo } from './taker.ts'

/** The commands of `fanfare.v1` (CONTRACT section 6). */
export function connectionSuite(bed: Bed): void {
  const talk = async (subprotocol?: string): Promise<Talk> => {
    const opened = new Talk(bed.url, subprotocol)
    onTestFinished(() => opened.end())
    return opened.ready()
  }

  describe('fanfare.v1', () => {
    it('is ready first, also where no subprotocol was offered', async () => {
      for (const opened of [await talk(), await talk(undefined)]) {
        expect(opened.objects[0]).toMatchObject({ ready: { node: expect.any(String) as string, heartbeat: expect.any(Number) as number } })
      }
    })

    it('answers each command once, whatever it is', async () => {
      const channel = freshChannel()
      const opened = await talk()
      opened.say(
        { id: 1, ping: {} },
        { id: 2, nonsense: {} },
        { id: 3, presence: { channel } },
        { id: 4, unsubscribe: { channel } },
        { id: 5, subscribe: { channel: 'no such name' } },
      )
      opened.say(
        { id: 6, subscribe: { channel, since: 'no cursor' } },
        { id: 7, authenticate: {} },
        { id: 8, call: {} },
        { id: 9, ping: {}, unknown: 'field' },
      )
      const answers = await Promise.all([1, 2, 3, 5, 6, 7, 8, 9].map((id) => opened.answer(id)))
      const codes = answers.map((answer) => (answer['error'] as { code: string } | undefined)?.code ?? answer['ok'])
      expect(codes).toEqual([
        {},
        'command-unknown',
        'not-available',
        'channel-name-invalid',
        'cursor-invalid',
        'not-available',
        'not-available',
        {},
      ])
      const ids = opened.objects.map(({ id }) => id).filter((id) => typeof id === 'number')
      expect(new Set(ids).size).toBe(ids.length)
      expect(opened.close).toBeUndefined()
    })

    it('publishes as HTTP does, and keeps the order in which commands came', async () => {
      const channel = freshChannel()
      const opened = await talk()
      opened.sayRaw(JSON.stringify(countTo(50).map((n) => ({ id: n, publish: { channel, data: { n } } }))))
      const [first] = [await opened.answer(1), await opened.answer(50)]
      expect(first['ok']).toMatchObject({ channel, offset: 1, cursor: expect.any(String) as string, time: expect.any(Number) as number })
      const taker = await bed.take(sseEnvelopeReceiver, { channels: [channel], since: 'earliest' }).publicationCount(50)
      expect(taker.numbers()).toEqual(countTo(50))
      expect((first['ok'] as { cursor: string }).cursor).toBe(taker.publications[0]?.cursor)
    })

    it('publishes at most once with a key, and tells a conflict', async () => {
      const channel = freshChannel()
      const opened = await talk()
      opened.say(
        { id: 1, publish: { channel, data: 1, key: 'k' } },
        { id: 2, publish: { channel, data: 1, key: 'k' } },
        { id: 3, publish: { channel, data: 2, key: 'k' } },
      )
      const [first, again, other] = [await opened.answer(1), await opened.answer(2), await opened.answer(3)]
      expect((again['ok'] as { cursor: string }).cursor).toBe((first['ok'] as { cursor: string }).cursor)
      expect(other).toMatchObject({ error: { code: 'idempotency-conflict' } })
      expect(await bed.publisher.head(channel)).toMatchObject({ count: 1 })
    })

    it('gives history as a poll answers, and goes on from its cursor', async () => {
      const channel = freshChannel()
      const published = await bed.told(() => channel, 1, 10)
      const opened = await talk()
      opened.say({ id: 1, history: { channel, since: published[1]?.cursor, limit: 5 } })
      const page = (await opened.answer(1))['ok'] as {
        cursor: string
        more: boolean
        gaps: unknown[]
        publications: { data: { n: number } }[]
      }
      const polled = await askHttp(bed.url, { path: `${channelPath(channel)}?transport=poll&limit=5&since=${published[1]?.cursor}` })
      expect(page).toEqual(JSON.parse(polled.text))
      expect(page.publications.map(({ data }) => data.n)).toEqual(countTo(7, 3))
      expect(page).toMatchObject({ cursor: published[6]?.cursor, more: true, gaps: [] })
      opened.say({ id: 2, history: { channel, since: page.cursor } })
      expect((await opened.answer(2))['ok']).toMatchObject({ cursor: published[9]?.cursor, more: false })
    })

    it('subscribes once a channel, says whether it recovered, and is silent after unsubscribe', async () => {
      const channel = freshChannel()
      const published = await bed.told(() => channel, 1, 3)
      const opened = await talk()
      opened.say({ id: 1, subscribe: { channel, since: published[0]?.cursor } }, { id: 2, subscribe: { channel } })
      expect((await opened.answer(1))['ok']).toEqual({ channel, cursor: published[0]?.cursor, recovered: true })
      expect(await opened.answer(2)).toMatchObject({ error: { code: 'already-subscribed' } })
      await opened.until(() => opened.objects.some(({ offset }) => offset === 3))
      opened.say({ id: 3, unsubscribe: { channel } })
      expect((await opened.answer(3))['ok']).toEqual({})
      const { length } = opened.texts
      await bed.told(() => channel, 4, 5)
      opened.say({ id: 4, ping: {} })
      await opened.answer(4)
      expect(opened.objects.slice(length)).toEqual([{ id: 4, ok: {} }])
    })

    it('gives all subscribers the same bytes', async () => {
      const channel = freshChannel()
      const opened = [await talk(), await talk()]
      for (const one of opened) {
        one.say({ id: 1, subscribe: { channel } })
        await one.answer(1)
      }
      await bed.publisher.count(() => channel, 1, 5)
      const texts = []
      for (const one of opened) {
        await one.until(() => one.objects.some(({ offset }) => offset === 5))
        texts.push(one.texts.filter((text) => text.includes('"offset"')))
      }
      expect(texts[0]).toEqual(texts[1])
      expect(texts[0]).toHaveLength(5)
    })

    it.each(['no JSON', '"text"', '12', '[{"id":1,"ping":{}},3]', ''])('closes with 4400 where a frame is %j', async (frame) => {
      const opened = await talk()
      opened.sayRaw(frame)
      expect(await opened.closed()).toMatchObject({ code: 4400 })
    })
  })
}
