import { anyOf, expect } from '../expect.ts'
import { fanfareV1Receiver } from '../receivers/fanfare-v1.ts'
import { askHttp, channelPath } from '../receivers/http.ts'
import type { Bed } from './bed.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'
import { Talk } from './talk.ts'
import { countTo } from './taker.ts'

type Open = (subprotocol?: string | null) => Promise<Talk>

function commands(name: string, run: (bed: Bed, talk: Open) => Promise<void>): Check {
  return check(fanfareV1Receiver, 'commands', name, async (bed) => {
    await run(bed, async (subprotocol) => {
      const opened = new Talk(bed.url, subprotocol)
      bed.onEnd(() => opened.end())
      return opened.ready()
    })
  })
}

/** The commands of `fanfare.v1` (CONTRACT section 6). */
export function connectionChecks(): readonly Check[] {
  return [
    commands('is ready first, also where no subprotocol was offered', async (bed, talk) => {
      for (const opened of [await talk(), await talk(null)]) {
        expect(opened.objects[0]).toMatchObject({ ready: { node: anyOf('string'), heartbeat: anyOf('number') } })
      }
    }),
    commands('answers each command once, whatever it is', async (bed, talk) => {
      const channel = bed.channel()
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
    }),
    commands('publishes as HTTP does, and keeps the order in which commands came', async (bed, talk) => {
      const channel = bed.channel()
      const opened = await talk()
      opened.sayRaw(JSON.stringify(countTo(50).map((n) => ({ id: n, publish: { channel, data: { n } } }))))
      const [first] = [await opened.answer(1), await opened.answer(50)]
      expect(first['ok']).toMatchObject({ channel, offset: 1, cursor: anyOf('string'), time: anyOf('number') })
      const taker = await bed.take(fanfareV1Receiver, { channels: [channel], since: 'earliest' }).publicationCount(50)
      expect(taker.numbers()).toEqual(countTo(50))
      expect((first['ok'] as { cursor: string }).cursor).toBe(taker.publications[0]?.cursor)
    }),
    commands('publishes at most once with a key, and tells a conflict', async (bed, talk) => {
      const channel = bed.channel()
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
    }),
    commands('gives history as a poll answers, and goes on from its cursor', async (bed, talk) => {
      const channel = bed.channel()
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
    }),
    commands('subscribes once a channel, says whether it recovered, and is silent after unsubscribe', async (bed, talk) => {
      const channel = bed.channel()
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
    }),
    commands('gives all subscribers the same bytes', async (bed, talk) => {
      const channel = bed.channel()
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
    }),
    commands('closes with 4400 where a frame holds no commands', async (_bed, talk) => {
      for (const frame of ['no JSON', '"text"', '12', '[{"id":1,"ping":{}},3]', '']) {
        const opened = await talk()
        opened.sayRaw(frame)
        expect(await opened.closed()).toMatchObject({ code: 4400 })
      }
    }),
  ]
}
