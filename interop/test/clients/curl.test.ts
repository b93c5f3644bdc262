import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { live } from './support/life.ts'
import type { Life } from './support/life.ts'
import { ended, lastingClient, repeatedClient, run } from './support/program.ts'
import { onPath, unless } from './support/programs.ts'
import { heardAnswer, lineReader, ndjsonReader, partReader, sseReader } from './support/readers.ts'
import type { Reader } from './support/readers.ts'
import { throughKills } from './support/through-kills.ts'

const longPoll = fileURLToPath(new URL('../../../examples/shell/long-poll.sh', import.meta.url))

const streaming = (name: string, accept: string, reader: () => Reader) =>
  repeatedClient(
    `curl -N with ${name}`,
    ({ url, channel }, since) => ['curl', '-sN', '-H', `Accept: ${accept}`, `${url}/channels/${channel}?since=${since}`],
    reader,
  )

describe.skipIf(!onPath('curl'))(`curl${unless('curl')}`, () => {
  throughKills([
    streaming('Server-Sent Events', 'text/event-stream', sseReader),
    repeatedClient(
      'curl -N with Last-Event-ID',
      ({ url, channel }, since) => [
        'curl',
        '-sN',
        '-H',
        'Accept: text/event-stream',
        '-H',
        since === 'earliest' ? 'Last-Event-ID;' : `Last-Event-ID: ${since}`,
        `${url}/channels/${channel}?since=earliest`,
      ],
      sseReader,
    ),
    streaming('NDJSON', 'application/x-ndjson', ndjsonReader),
    streaming('parts', 'multipart/mixed', partReader),
    repeatedClient(
      'curl with polls',
      ({ url, channel }, since) => ['curl', '-s', `${url}/channels/${channel}?since=${since}`],
      wholeReader,
    ),
    lastingClient(
      'a shell loop of long polls',
      ({ channel }) => ['sh', longPoll, channel],
      () => lineReader(heardAnswer),
    ),
  ])
})

/** What curl prints of a poll comes in pieces and has no line end. */
function wholeReader(): Reader {
  let text = Buffer.alloc(0)
  return (bytes) => {
    text = Buffer.concat([text, bytes])
    return text.at(-1) === 0x7d && text.includes('"gaps":[') && isWhole(text.toString()) ? heardAnswer(text.toString()) : []
  }
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

describe.skipIf(!onPath('curl'))(`curl by hand${unless('curl')}`, () => {
  let life: Life

  beforeAll(async () => {
    life = await live()
  })
  afterAll(async () => {
    await life.close()
  })

  const curl = async (...args: string[]) => await ended(run('curl', ['-sS', ...args], life.url, life.directory))
  const at = (path: string): string => `${life.url}${path}`

  it('takes every kind of request over one connection that is kept', async () => {
    const requests = [
      ['-d', 'one', at('/channels/kept')],
      [at('/channels/kept?since=earliest')],
      ['-I', at('/channels/kept')],
      [at('/channels/kept?since=nonsense')],
      [at('/nowhere')],
      [at('/channels/kept?wait=1')],
      ['-H', 'Content-Type: application/json', '-d', '[{"channel":"kept","data":2}]', at('/publish')],
      ['-X', 'DELETE', at('/channels/kept/old')],
      ['-d', 'three', at('/channels/kept')],
    ]
    const { stdout, stderr, code } = await curl('-v', ...requests.flatMap((request) => ['--next', '-sS', ...request]).slice(2))
    expect(code).toBe(0)
    expect(stderr.match(/Connected to /g)).toHaveLength(1)
    expect(stderr.match(/Re-using existing connection/g)).toHaveLength(8)
    expect(statusesOf(stderr)).toEqual([201, 200, 200, 400, 404, 200, 200, 204, 201])
    expect(stdout).toContain('"offset":3')
  })

  it('is answered in HTTP/1.1 where it offers HTTP/2, and in HTTP/1.0 where it speaks that', async () => {
    const offered = await curl('-v', '--http2', '-d', 'offered', at('/channels/versions'))
    expect(statusesOf(offered.stderr)).toEqual([201])
    const old = await curl('-v', '--http1.0', '-H', 'Accept: application/x-ndjson', '-m', '2', at('/channels/versions?since=earliest'))
    expect(old.stdout.split('\n')[1]).toContain('"data":"offered"')
  })

  it('sends a body of unknown length, and one that waits for 100 Continue', async () => {
    const chunked = await ended(
      run('curl', ['-sS', '-X', 'POST', '-H', 'Content-Type: text/plain', '-T', '-', at('/channels/bodies')], life.url, life.directory),
      'from stdin',
    )
    expect(JSON.parse(chunked.stdout)).toMatchObject({ channel: 'bodies', offset: 1 })
    const expecting = await curl('-v', '-H', 'Expect: 100-continue', '-d', 'expected', at('/channels/bodies'))
    expect(statusesOf(expecting.stderr)).toEqual([100, 201])
    const { stdout } = await curl(at('/channels/bodies?since=earliest'))
    expect((JSON.parse(stdout) as { publications: { data: unknown }[] }).publications.map(({ data }) => data)).toEqual([
      'from stdin',
      'expected',
    ])
  })

  it('hears of a body that is too large before it has sent all of it', async () => {
    const file = at('/channels/bodies')
    const large = await ended(
      run(
        'curl',
        ['-sS', '-w', '%{http_code} %{size_upload}', '-H', 'Expect: 100-continue', '--data-binary', '@-', file],
        life.url,
        life.directory,
      ),
      'x'.repeat(3_000_000),
    )
    expect(large.stdout).toMatch(/"code":"payload-too-large".*413 0$/s)
  })

  it('follows a channel whose name is percent-encoded, as --data-urlencode and a shell would write it', async () => {
    const name = 'größe/ä€/a b'.replace(' ', '')
    await curl('-d', 'named', at(`/channels/${name.split('/').map(encodeURIComponent).join('/')}`))
    const { stdout } = await curl('-G', '--data-urlencode', `channel=${name}`, '-d', 'since=earliest', at('/subscribe'))
    expect((JSON.parse(stdout) as { publications: unknown[] }).publications).toMatchObject([{ channel: name, data: 'named' }])
  })
})

function statusesOf(stderr: string): number[] {
  return [...stderr.matchAll(/^< HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))
}
