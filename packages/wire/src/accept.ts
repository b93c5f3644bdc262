/**
 * The offered media type that the client likes most (RFC 9110, section 12.5.1), or undefined where it takes none. Of equal quality the one that it named
 * more exactly counts, then the first offered. Parameters but `q` are not looked at, ranges that are not well-formed are passed over; no header is `*\/*`.
 */
export function negotiate(accept: string | undefined, offered: readonly string[]): string | undefined {
  const ranges = accept === undefined || accept.trim() === '' ? [{ range: '*/*', quality: 1 }] : parseAccept(accept)
  let best: string | undefined
  let bestQuality = 0
  let bestExactness = 0
  for (const type of offered) {
    const { quality, exactness } = fit(ranges, type)
    if (quality > bestQuality || (quality === bestQuality && quality > 0 && exactness > bestExactness)) {
      best = type
      bestQuality = quality
      bestExactness = exactness
    }
  }
  return best
}

interface MediaRange {
  readonly range: string
  readonly quality: number
}

/** More than a client has reason to send; the rest is passed over. */
const mostRanges = 64
const rangeShape = /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+$/
const qualityShape = /^q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/

function parseAccept(accept: string): MediaRange[] {
  const ranges: MediaRange[] = []
  for (const part of accept.toLowerCase().split(',', mostRanges)) {
    const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim())
    if (!rangeShape.test(range)) continue
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    const quality = weight === undefined ? '1' : qualityShape.exec(weight)?.[1]
    if (quality !== undefined) ranges.push({ range, quality: Number(quality) })
  }
  return ranges
}

/** The most exact range that covers the type says its quality. */
function fit(ranges: readonly MediaRange[], type: string): { quality: number; exactness: number } {
  const family = `${type.slice(0, type.indexOf('/'))}/*`
  let quality = 0
  let exactness = 0
  for (const range of ranges) {
    const exact = range.range === type ? 3 : range.range === family ? 2 : range.range === '*/*' ? 1 : 0
    if (exact <= exactness) continue
    exactness = exact
    quality = range.quality
  }
  return { quality, exactness }
}
