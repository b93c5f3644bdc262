import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askOver, eight, pathOver } from '../support/eight.ts'
import { hostile } from '../support/hostile-origins.ts'
import { expectProblem } from '../support/problems.ts'
import { closeRaw } from '../support/raw-client.ts'
import { startServer } from '../support/start-server.ts'
import type { TestServer } from '../support/start-server.ts'

// Frames and scripts are loaded without an Origin: whose page it is, says Referer, or the browser by Sec-Fetch-Site (docs/decisions/0006-script-transports.md).

let server: TestServer
const host = ['Host', 'push.example.com'] as const
const listed = ['https://app.example.com', 'http://intranet:8080']

beforeAll(async () => {
  server = await startServer({ transports: 'all', origins: listed, hosts: ['push.example.com'] })
})
afterAll(async () => await server.close())
afterEach(closeRaw)

const scripts = eight.filter(({ name }) => name === 'iframe' || name === 'jsonp')

/**
 * Pages of these origins, as a Referer names them. Not those that are another way to write an address of the listed origins: a page whose address a
 * browser reads as theirs is theirs.
 */
function pagesOf(origins: readonly string[]): readonly string[] {
  const theirs = (page: string): boolean => URL.canParse(page) && listed.includes(new URL(page).origin)
  return origins.filter((page) => !theirs(page)).flatMap((origin) => (theirs(`${origin}/page`) ? [origin] : [origin, `${origin}/page`]))
}

describe('loaded as a script', () => {
  it.each(pagesOf(hostile))('a page at %s gets nothing as a script, whatever it says of its site', async (page) => {
    for (const fields of [[], [['Sec-Fetch-Site', 'same-origin'] as const], [['Sec-Fetch-Site', 'none'] as const]]) {
      for (const one of scripts) {
        const answer = await askOver(server.port, one, pathOver(one, '/channels/kept', 'since=earliest'), [
          host,
          ['Referer', page],
          ...fields,
        ])
        expect({ over: one.name, status: answer.status }).toEqual({ over: one.name, status: 403 })
        expectProblem(answer, 403, 'origin-refused')
      }
    }
  })

  it.each(['Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0', 'Opera/9.80 (X11; Linux) Presto/2.12'])(
    'a page in %s that keeps its address back gets nothing as a script over plain http, where browsers say nothing of its site',
    async (agent) => {
      for (const one of scripts) {
        const path = pathOver(one, '/channels/kept')
        expectProblem(await askOver(server.port, one, path, [host, ['User-Agent', agent]]), 403, 'origin-refused')
        expect((await askOver(server.port, one, path, [host, ['User-Agent', 'curl/7.88.1']])).status).toBe(200)
      }
    },
  )

  it('there are at least 60 such pages', () => expect(pagesOf(hostile).length).toBeGreaterThanOrEqual(60))

  it.each(['cross-site', 'same-site', 'Cross-Site', 'nonsense', 'same-origin, cross-site'])(
    'a page that keeps its address back gets nothing as a script where the browser says %s',
    async (site) => {
      for (const referer of [[], [['Referer', ''] as const]])
        for (const one of scripts) {
          const headers = [host, ['Sec-Fetch-Site', site] as const, ...referer]
          expectProblem(await askOver(server.port, one, pathOver(one, '/channels/kept'), headers), 403, 'origin-refused')
        }
    },
  )
})
