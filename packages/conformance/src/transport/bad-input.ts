import { expect } from '../expect.ts'
import type { Ask, ReceiverRow } from '../receivers/receiver.ts'
import type { Bed } from './bed.ts'
import { check } from './check.ts'
import type { Check } from './check.ts'

/** What is asked for wrongly is refused, by the code that CONTRACT gives it, before anything is told (sections 1, 4 and 7). */
export function badInputChecks(receivers: readonly ReceiverRow[]): readonly Check[] {
  const overHttp = receivers.filter(({ movesByChannel }) => !movesByChannel)
  return [
    ...receivers.flatMap((row) => [names(row), cursors(row)]),
    ...overHttp.flatMap((row) => [lastEventId(row), transports(row)]),
    ...receivers.map((row) => parameters(row)),
    ...receivers.filter(({ comesInScripts }) => comesInScripts === true).map((row) => callbacks(row)),
  ]
}

const badNames: readonly string[] = [
  'x'.repeat(256),
  'é'.repeat(128),
  '/a',
  'a//b',
  'a/',
  'a/./b',
  'a/../b',
  '..',
  'a\0b',
  'a\nb',
  'a\u007fb',
  'a\u0085b',
  'a b',
  'a\tb',
  'a\u00a0b',
  'a\u2028b',
  'a*b',
  'a?b',
  'a#b',
  'a,b',
  'a%b',
  'a%2Fb',
  'a+b',
  'a{b',
  'a}b',
  'e\u0301',
  '\u212b',
]

function names(row: ReceiverRow): Check {
  return check(row, 'bad input', 'refuses names that are no channels', async (bed) => {
    for (const name of badNames) {
      // Clients of WebSocket read their address as a URL, in which these segments are gone.
      if (row.transport !== 'websocket' || !/(?:^|\/)\.\.?(?:\/|$)/.test(name))
        await refused(bed, row, { channels: [name] }, { code: 'channel-name-invalid' })
      await refused(bed, row, { channels: [name, 'good'] }, { code: 'channel-name-invalid' })
    }
    for (const name of ['$', '$sys', '$sys/x']) await refused(bed, row, { channels: [name] }, { status: 403, code: 'channel-reserved' })
  })
}

function badCursors(good: string): readonly string[] {
  return [
    '',
    'now',
    'LATEST',
    '1',
    '-1',
    'null',
    good.slice(0, -1),
    good.slice(1),
    good.slice(0, good.length / 2),
    `${good}A`,
    `${good}=`,
    `${good} `,
    `${good}\0`,
    `${good}${good}`,
    `${good},${good}`,
    [...good].toReversed().join(''),
    [...good].map((char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase())).join(''),
    'A'.repeat(64),
    'A'.repeat(65),
    'A'.repeat(8000),
  ]
}

function cursors(row: ReceiverRow): Check {
  return check(row, 'bad input', 'refuses a cursor that is none: it never passes for from now on', async (bed) => {
    const channel = bed.channel()
    const [place] = await bed.publisher.count(() => channel, 1, 1)
    for (const since of badCursors(place?.cursor ?? '')) {
      await refused(bed, row, { channels: [channel], since }, { code: 'cursor-invalid' })
    }
  })
}

function lastEventId(row: ReceiverRow): Check {
  return check(row, 'bad input', 'refuses a Last-Event-ID that is no cursor, whatever the address says', async (bed) => {
    const channel = bed.channel()
    for (const id of ['now', 'latest', 'A'.repeat(65)]) {
      await refused(bed, row, { channels: [channel], headers: { 'last-event-id': id } }, { code: 'cursor-invalid' })
      await refused(bed, row, { channels: [channel], since: 'earliest', headers: { 'last-event-id': id } }, { code: 'cursor-invalid' })
    }
  })
}

function transports(row: ReceiverRow): Check {
  return check(row, 'bad input', 'refuses a transport that nobody knows', async (bed) => {
    const channels = [bed.channel()]
    for (const transport of ['', 'pigeon', row.transport.toUpperCase(), `${row.transport} `, `${row.transport},poll`, 'constructor'])
      await refused(bed, row, { channels, words: { transport } }, { code: 'transport-unknown' })
  })
}

const badParameters: readonly (readonly [string, readonly string[]])[] = [
  ['wait', ['abc', '-1', '', '1.5', '1e1', '0x10', 'Infinity', 'NaN', ' 1', '1 ', '1,2', 'true']],
  ['last', ['abc', '-1', '', '1.5', '1e2', '0x10', 'Infinity', '1\0']],
  ['limit', ['abc', '-1', '', '0', '1.5', '1e2', 'Infinity']],
  ['onGap', ['foo', '', 'LATEST', 'latest ', 'stop,latest', 'constructor']],
  ['envelope', ['2', 'yes', '']],
]

function parameters(row: ReceiverRow): Check {
  const known = row.movesByChannel ? ['last', 'onGap'] : badParameters.map(([name]) => name)
  return check(row, 'bad input', `refuses what is no ${known.join(', ')}`, async (bed) => {
    const channels = [bed.channel()]
    for (const [name, values] of badParameters.filter(([name]) => known.includes(name)))
      for (const value of values) await refused(bed, row, { channels, words: { [name]: value } }, { code: 'parameter-invalid' })
  })
}

const badCallbacks = [
  '',
  '1a',
  'a-b',
  'a(',
  'a b',
  'alert(1)',
  'a[0]',
  'é',
  'a\n',
  'a<',
  'a;',
  '.a',
  'a'.repeat(65),
  '</script>',
  '*/alert(1)/*',
]

function callbacks(row: ReceiverRow): Check {
  return check(row, 'bad input', 'refuses what is no callback or target', async (bed) => {
    const channels = [bed.channel()]
    for (const callback of badCallbacks) await refused(bed, row, { channels, words: { callback } }, { code: 'parameter-invalid' })
    for (const targetOrigin of ['', '*', 'null', 'evil.example', 'https://evil.example/', 'javascript:1'])
      await refused(bed, row, { channels, words: { targetOrigin } }, { code: 'parameter-invalid' })
    await refused(bed, row, { channels, words: { targetOrigin: 'https://evil.example' } }, { status: 403, code: 'origin-refused' })
  })
}

/** What scripts say in their own form; what is wrong with the words of the request is a problem document for them too. */
const toldInScripts: readonly string[] = ['cursor-invalid']

/** Refused with a status, or in an answer where the transport has none, and nothing told before. */
export async function refused(
  bed: Bed,
  row: ReceiverRow,
  ask: Ask,
  { status = 400, code }: { readonly status?: number; readonly code: string },
): Promise<void> {
  const taker = bed.take(row, ask)
  const { reason, ...end } = await taker.ended()
  taker.cut()
  const said = { ...end, code: problemOf(reason), told: taker.told.length, status: row.movesByChannel ? undefined : end.code }
  const inAnswer = row.movesByChannel || (row.comesInScripts === true && toldInScripts.includes(code))
  const wanted = { kind: 'end', ...(inAnswer ? { inAnswer } : {}), code, told: 1, status: row.movesByChannel ? undefined : status }
  try {
    expect(said).toEqual(wanted)
  } catch (error) {
    throw new Error(`for ${JSON.stringify(ask).slice(0, 300)} it said ${reason.slice(0, 300)}`, { cause: error })
  }
}

/** The code of a problem document, or of an error that was told. */
export function problemOf(reason: string): string {
  if (!reason.startsWith('{')) return reason
  return String((JSON.parse(reason) as { readonly code?: unknown }).code)
}
