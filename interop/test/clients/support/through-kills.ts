import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Client } from './client.ts'
import { live } from './life.ts'
import type { Life } from './life.ts'
import { Publisher } from './publisher.ts'
import { asTaken, Taking } from './taking.ts'

const channel = 'clients/numbers'
const total = 600
/** When so many are published the server goes; publishing goes on at once, against nobody. */
const ends = [
  { count: 150, by: 'kill' },
  { count: 300, by: 'restart' },
  { count: 400, by: 'kill' },
] as const

/** All clients receive from one server while it is killed, restarted and killed; then each of them is a test. */
export function throughKills(clients: readonly Client[]): void {
  const takings = new Map(clients.map((client) => [client.name, new Taking()]))
  let life: Life | undefined
  let publisher: Publisher | undefined
  let stops: (() => Promise<void>)[] = []

  beforeAll(async () => {
    life = await live()
    const { url, directory } = life
    const publishing = (publisher = new Publisher(url, channel))
    const answerTo = async (number: number) => await publishing.answerTo(number)
    stops = clients.map((client) =>
      client.start({ url, channel, directory, since: 'earliest', answerTo }, takings.get(client.name) ?? new Taking()),
    )
    // One that fails is told by its own test.
    const allHave = async (count: number) =>
      await Promise.allSettled([...takings.values()].map(async (taking) => await taking.until(count)))
    await publishing.publishTo(1)
    await allHave(1)
    const all = publishing.publishTo(total - 100)
    for (const { count, by } of ends) {
      await publishing.until(count)
      await life[by]()
    }
    await all
    // They have caught up, and the rest comes live.
    await allHave(total - 100)
    await publishing.publishTo(total)
    await allHave(total)
  }, 240_000)

  afterAll(async () => {
    publisher?.close()
    await Promise.all(stops.map(async (stop) => await stop()))
    await life?.close()
  })

  for (const { name } of clients) {
    it(`${name} gets ${total} publications in order, once, through two kill -9 and a planned restart of the server`, () => {
      const taking = takings.get(name) ?? new Taking()
      const published = publisher?.published ?? []
      expect(published.map(({ offset }) => offset)).toEqual(Array.from({ length: total }, (_, index) => index + 1))
      expect(taking.troubles).toEqual([])
      expect(taking.all).toEqual(asTaken(published, taking.all))
    })
  }
}
