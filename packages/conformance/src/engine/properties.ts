import type { Item } from '@fanfare/server'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { append, drop, Ear, kept, openLab, say, textOf } from './lab.ts'
import type { Lab } from './lab.ts'
import { StoreModel } from './model.ts'
import type { EngineRow } from './row.ts'

const names = ['a', 'b', 'c', 'd', 'e'] as const
const keepPublications = 7

type Step =
  /** Appends of one turn, each of one or more items: a channel to publish to, or to delete. */
  | { readonly kind: 'turn'; readonly appends: readonly (readonly { readonly channel: string; readonly drop: boolean }[])[] }
  | { readonly kind: 'reopen' }
  /** Looks at one channel between two places, given as parts of the head. */
  | { readonly kind: 'look'; readonly channel: string; readonly after: number; readonly through: number; readonly count: number }

const channel = fc.constantFrom(...names)
const action = fc.record({ channel, drop: fc.nat({ max: 9 }).map((dice) => dice === 0) })
const turn = fc.record({
  kind: fc.constant('turn' as const),
  appends: fc.array(fc.array(action, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
})
const share = fc.double({ min: 0, max: 1, noNaN: true })
const look = fc.record({ kind: fc.constant('look' as const), channel, after: share, through: share, count: fc.nat({ max: 10 }) })
const reopen = fc.constant<Step>({ kind: 'reopen' })

/** Random histories against a model that only counts. */
export function propertySuite(row: EngineRow): void {
  describe('any history', () => {
    const weighted = [
      { weight: 6, arbitrary: turn },
      { weight: 4, arbitrary: look },
      ...(row.durable ? [{ weight: 1, arbitrary: reopen }] : []),
    ]
    const steps = fc.array(fc.oneof(...weighted), { minLength: 5, maxLength: 40 })

    it('is read, followed and told as the model says', { timeout: 60_000 }, async () => {
      const property = fc.asyncProperty(steps, async (history) =>
        run(await openLab(row, { keep: { publications: keepPublications } }), history),
      )
      const report = await fc.check(property, { numRuns: row.runs, interruptAfterTimeLimit: 15_000 })
      expect(report.failed ? `${String(report.errorInstance)}\n${fc.defaultReportMessage(report)}` : 'held').toBe('held')
    })
  })
}

async function run(lab: Lab, history: readonly Step[]): Promise<void> {
  const model = new StoreModel(keepPublications)
  let ears = [{ ear: new Ear(lab.engine, 0), from: 0 }]
  for (const [index, step] of history.entries()) {
    if (step.kind === 'turn') await act(lab, model, step.appends, index)
    else if (step.kind === 'look') await lookAt(lab, model, step)
    else {
      await lab.reopen()
      ears = [{ ear: new Ear(lab.engine, model.seq), from: model.seq }]
      for (const name of names) await agree(lab, model, name)
    }
  }
  for (const name of names) await agree(lab, model, name)
  expect(await lab.engine.channels('', '', 100)).toEqual(model.names)
  for (const { ear, from } of ears) {
    if (model.seq > from) await ear.reach(model.seq)
    const told = names.flatMap((name) => model.channel(name).all.filter(({ seq }) => seq > from))
    expect(
      ear.publications.map(({ seq, offset }) => ({ seq, offset, value: textOf(ear.publications.find((found) => found.seq === seq)) })),
    ).toEqual(told.sort((a, b) => a.seq - b.seq))
  }
  await lab.engine.close()
}

async function act(
  lab: Lab,
  model: StoreModel,
  appends: readonly (readonly { channel: string; drop: boolean }[])[],
  index: number,
): Promise<void> {
  const answers = appends.map((actions, part) => {
    const items = actions.map(({ channel, drop: isDrop }, item): Item =>
      isDrop ? drop(channel) : say(channel, `${index}.${part}.${item}`),
    )
    return append(lab.engine, ...items)
  })
  const expected = appends.map((actions, part) =>
    actions.map(({ channel, drop: isDrop }, item) => (isDrop ? model.remove(channel) : model.publish(channel, `${index}.${part}.${item}`))),
  )
  expect((await Promise.all(answers)).map((placed) => placed.map(({ channel, seq, offset }) => ({ channel, seq, offset })))).toEqual(
    expected,
  )
}

async function lookAt(lab: Lab, model: StoreModel, look: Step & { kind: 'look' }): Promise<void> {
  const through = Math.round(look.through * model.seq)
  const after = Math.round(look.after * through)
  const expected = model.kept(look.channel).filter(({ seq }) => seq > after && seq <= through)
  expect((await kept(lab.engine, look.channel, after, through)).map(textOf)).toEqual(expected.map(({ value }) => value))
  const before = await lab.engine.newest(look.channel, look.count, through)
  expect(before).toBeLessThanOrEqual(through)
  if (look.count === 0) return
  const newest = model
    .kept(look.channel)
    .filter(({ seq }) => seq <= through)
    .slice(-look.count)
  expect((await kept(lab.engine, look.channel, before, through)).map(textOf)).toEqual(newest.map(({ value }) => value))
}

async function agree(lab: Lab, model: StoreModel, name: string): Promise<void> {
  const { all, trimmed, deletedAt } = model.channel(name)
  const expected = model.kept(name)
  const found = await kept(lab.engine, name)
  expect(found.map((publication) => ({ seq: publication.seq, offset: publication.offset, value: textOf(publication) }))).toEqual(expected)
  const facts = await lab.engine.facts(name)
  // A deletion hides what the rule let go of before it: whether that was noticed in time does not show.
  expect(facts.trimmed.seq > deletedAt ? facts.trimmed.seq : 0).toBe(trimmed > deletedAt ? trimmed : 0)
  expect(facts).toMatchObject({
    deletedAt,
    lastSeq: all.at(-1)?.seq ?? 0,
    lastOffset: all.length,
    count: expected.length,
    bytes: expected.reduce((sum, { value }) => sum + value.length, 0),
  })
}
