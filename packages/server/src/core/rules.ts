import { channelMatcher } from '@fanfare/wire'
import type { Rule } from '@fanfare/wire'

const remembered = 10_000

/** The first rule whose pattern matches a channel counts. */
export class RuleBook {
  readonly #rules: readonly { readonly rule: Rule; readonly matches: (channel: string) => boolean }[]
  readonly #known = new Map<string, Rule>()

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map((rule) => ({ rule, matches: channelMatcher(rule.match) }))
    if (rules.at(-1)?.match !== '**') throw new RangeError('the last rule matches every channel: **')
  }

  of(channel: string): Rule {
    if (this.#rules.length === 1) return this.#first(channel)
    const known = this.#known.get(channel)
    if (known !== undefined) return known
    const rule = this.#first(channel)
    if (this.#known.size >= remembered) this.#known.clear()
    this.#known.set(channel, rule)
    return rule
  }

  #first(channel: string): Rule {
    const found = this.#rules.find(({ matches }) => matches(channel))
    if (found === undefined) throw new RangeError('the last rule matches every channel: **')
    return found.rule
  }
}
