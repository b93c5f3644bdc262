import { afterEach, describe, expect, it } from 'vitest'
import { fakeServer } from './support/fake-server.ts'
import { TestIo } from './support/io.ts'

// Parts as other servers and proxies may send them, to `subscribe --transport multipart`.

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const type = 'multipart/mixed; boundary="b:1"'
const publication = (cursor: string, data: number): string =>
  `{"channel":"a","offset":${data},"cursor":"${cursor}","time":1,"data":${data}}`
const part = (fields: string, body: string, last = false): string =>
  `${fields}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}\r\n--b:1${last ? '--' : ''}\r\n`
const published = (cursor: string, data: number): string =>
  part(`Fanfare-Offset: ${data}\r\nFanfare-Cursor: ${cursor}`, publication(cursor, data))

/** What `subscribe` prints where the first connection is answered like this, and the next is refused for good; and where it went on. */
async function subscribed(
  answer: string,
  contentType = type,
): Promise<{ code: number; stdout: string[]; stderr: string[]; asked: string[] }> {
  const asked: string[] = []
  const server = await fakeServer((request, response) => {
    if (asked.push(request.url ?? '') > 1) return response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': contentType })
    return response.end(answer)
  })
  closers.push(() => server.close())
  const io = new TestIo()
  const code = await io.run('subscribe', 'a', '--transport', 'multipart', '--url', server.url)
  return { code, stdout: io.stdout.lines, stderr: io.stderr.lines, asked }
}

describe('subscribe over multipart', () => {
  it('takes publications, places and gaps by their labels, passes over the rest, and goes on from the last place', async () => {
    const { stdout, stderr, asked } = await subscribed(
      '--b:1\r\n' +
        part('Content-Type: application/json\r\nFanfare-Gap: trimmed', '{"channel":"a","reason":"trimmed","missed":2,"at":"g"}') +
        part('fanfare-cursor: one', '') +
        published('two', 3) +
        part('Fanfare-Later: x', 'what a later server says') +
        part(
          'CONTENT-TRANSFER-ENCODING: Base64\r\nFanfare-Offset: 4\r\nFanfare-Cursor: three',
          Buffer.from(publication('three', 4)).toString('base64'),
        ) +
        part('Fanfare-Cursor: four', ''),
    )
    expect(asked).toEqual(['/channels/a?transport=multipart&envelope=1', '/channels/a?since=four&transport=multipart&envelope=1'])
    expect(stdout).toEqual(['3', '4'])
    expect(stderr[0]).toContain('gap in a: 2 publications are missing')
  })

  it('takes nothing of a part that was cut', async () => {
    const whole = `--b:1\r\n${published('one', 1)}${published('two', 2)}`
    for (const bytes of [1, 5, 40]) {
      const { stdout, asked } = await subscribed(whole.slice(0, -bytes))
      expect({ bytes, stdout, next: asked[1] }).toEqual({ bytes, stdout: ['1'], next: expect.stringContaining('since=one') as unknown })
    }
  })

  it.each([1, 7, 64])('reads parts that come in pieces of %i bytes', async (size) => {
    const whole = Buffer.from(
      `--b:1\r\n${part('Fanfare-Cursor: zero', '')}${published('one', 1)}${published('two', 2)}${published('three', 3)}`,
    )
    let asked = 0
    const server = await fakeServer((_request, response) => {
      if (asked++ > 0) return response.writeHead(404).end()
      response.writeHead(200, { 'Content-Type': type })
      const send = (from: number): void => {
        if (from >= whole.length) return void response.end()
        response.write(whole.subarray(from, from + size), () => setImmediate(send, from + size))
      }
      return send(0)
    })
    closers.push(() => server.close())
    const io = new TestIo()
    expect(await io.run('subscribe', 'a', '--transport', 'multipart', '--url', server.url)).toBe(1)
    expect(io.stdout.lines).toEqual(['1', '2', '3'])
    expect(server.requests[1]?.path).toContain('since=three')
  })

  it('says why the server ended it, and reads nothing behind the end', async () => {
    const error = '{"error":{"status":503,"code":"draining","message":"it goes down","retry":true,"after":1}}'
    const { stdout, stderr } = await subscribed(
      `--b:1\r\n${published('one', 1)}${part('Fanfare-Error: draining', error, true)}${published('two', 2)}`,
    )
    expect(stdout).toEqual(['1'])
    expect(stderr[0]).toBe('fanfare: the server ended the stream (it goes down); connecting again')
  })

  it.each([
    ['another media type', '--b:1\r\n', 'application/json'],
    ['parts without a boundary', '--b:1\r\n', 'multipart/mixed'],
    ['no delimiter', `something else\r\n${published('one', 1)}`, type],
    ['a part without its length', '--b:1\r\nFanfare-Cursor: one\r\n\r\n\r\n--b:1\r\n', type],
    ['a length that is none', '--b:1\r\nContent-Length: -1\r\n\r\n\r\n--b:1\r\n', type],
    ['a length that is wrong', '--b:1\r\nFanfare-Cursor: one\r\nContent-Length: 3\r\n\r\nabcdef\r\n--b:1\r\n--b:1\r\n', type],
    ['a head without an end', `--b:1\r\n${'x'.repeat(20_000)}`, type],
    ['a publication that is none', `--b:1\r\n${part('Fanfare-Offset: 1\r\nFanfare-Cursor: one', '{"data":1}')}`, type],
    ['a gap that is none', `--b:1\r\n${part('Fanfare-Gap: trimmed', 'x')}`, type],
  ])('fails at %s, and does not come again', async (_what, answer, contentType) => {
    const { code, asked, stdout } = await subscribed(answer, contentType)
    expect({ code, stdout, times: asked.length }).toEqual({ code: 1, stdout: [], times: 1 })
  })
})
