import { errors, limits } from '@fanfare/wire'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { transportNames } from '../../src/transports/names.ts'
import { description, descriptionText, validatorOf } from '../support/openapi.ts'
import type { Schema } from '../support/openapi.ts'

// openapi.json is a description that tools can read: the rules of OpenAPI 3.1 for the objects that it uses, and what it repeats of the code.

const text = z.string().min(1)
const schema = z.union([z.boolean(), z.record(z.string(), z.unknown())])
const reference = z.strictObject({ $ref: z.string().regex(/^#\/components\/[A-Za-z]+\/[A-Za-z.-]+$/) })
const orReference = <T extends z.ZodType>(type: T) => z.union([reference, type])
const fieldName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/)
const mediaType = z.string().regex(/^(?:\*|[a-z]+)\/(?:\*|[a-z0-9.+-]+)$/)
const content = z.record(mediaType, z.strictObject({ schema }))
const header = z.strictObject({ description: text, required: z.boolean().optional(), schema })
const parameter = z.strictObject({
  name: text,
  in: z.enum(['path', 'query', 'header']),
  description: text,
  required: z.boolean().optional(),
  style: z.literal('form').optional(),
  explode: z.boolean().optional(),
  schema,
})
const response = z.strictObject({
  description: text,
  headers: z.record(fieldName, orReference(header)).optional(),
  content: content.optional(),
  'x-statuses': z.array(z.int()).optional(),
})
const operation = z.strictObject({
  tags: z.array(text).min(1),
  operationId: z.string().regex(/^[a-zA-Z]+$/),
  summary: text,
  description: text.optional(),
  parameters: z.array(orReference(parameter)).optional(),
  requestBody: z.strictObject({ required: z.boolean(), content }).optional(),
  responses: z.record(z.string().regex(/^(?:[1-5][0-9]{2}|default)$/), orReference(response)),
})
const item = z.strictObject({
  parameters: z.array(orReference(parameter)).optional(),
  get: operation.optional(),
  post: operation.optional(),
  head: operation.optional(),
  delete: operation.optional(),
})
const document = z.strictObject({
  openapi: z.string().regex(/^3\.1\.[0-9]+$/),
  info: z.strictObject({
    title: text,
    version: text,
    summary: text,
    description: text,
    license: z.strictObject({ name: text, identifier: text }),
  }),
  servers: z.array(z.strictObject({ url: text, description: text.optional() })).min(1),
  tags: z.array(z.strictObject({ name: text, description: text.optional() })),
  paths: z.record(z.string().startsWith('/'), item),
  components: z.strictObject({
    parameters: z.record(text, parameter),
    headers: z.record(text, header),
    responses: z.record(text, response),
    schemas: z.record(text, schema),
  }),
})

const read = document.parse(description)
const operations = Object.entries(read.paths).flatMap(([path, { parameters: shared = [], ...methods }]) =>
  Object.entries(methods).flatMap(([method, one]) =>
    one === undefined ? [] : [{ path, method, one, parameters: [...shared, ...(one.parameters ?? [])].map(found) }],
  ),
)

function found(parameter: z.infer<typeof reference> | z.infer<ReturnType<typeof z.object>>): {
  name: string
  in: string
  required?: boolean
} {
  const { $ref } = parameter as { $ref?: string }
  const named = $ref === undefined ? parameter : read.components.parameters[$ref.split('/').at(-1) ?? '']
  return named as { name: string; in: string; required?: boolean }
}

describe('openapi.json', () => {
  it('names each operation once, with tags that it lists', () => {
    const ids = operations.map(({ one }) => one.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const tags = read.tags.map(({ name }) => name)
    for (const { one } of operations) expect(tags).toEqual(expect.arrayContaining(one.tags))
  })

  it('gives each operation an answer that is good, and the parameters of its path', () => {
    for (const { path, method, one, parameters } of operations) {
      const where = `${method} ${path}`
      const good = Object.keys(one.responses).filter((status) => /^[12]/.test(status))
      expect([where, good.length > 0 || path === '/presence/{channel}']).toEqual([where, true])
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      expect([where, inPath.map(({ name }) => `{${name}}`)]).toEqual([where, path.match(/\{[a-z]+\}/g) ?? []])
      expect([where, inPath.every(({ required }) => required === true)]).toEqual([where, true])
      const names = parameters.map((parameter) => `${parameter.in} ${parameter.name.toLowerCase()}`)
      expect([where, new Set(names).size]).toEqual([where, names.length])
      // These belong to the media type and to authentication (OpenAPI 3.1, section 4.8.12.1).
      for (const ignored of ['header accept', 'header content-type', 'header authorization']) expect(names).not.toContain(ignored)
    }
  })

  it('uses each of its components, and none that is missing', () => {
    const used = new Set([...descriptionText.matchAll(/"\$ref": "#\/components\/([^"]+)"/g)].map(([, name]) => name))
    const there = Object.entries(read.components).flatMap(([kind, things]) => Object.keys(things).map((name) => `${kind}/${name}`))
    expect([...used].sort()).toEqual(there.sort())
  })

  it('has schemas whose required members are there, whose patterns compile and whose defaults fit', () => {
    const schemas = everySchema(description)
    expect(schemas.length).toBeGreaterThan(50)
    for (const one of schemas) {
      const { properties, required = [] } = one as { properties?: object; required?: readonly string[] }
      for (const member of required) expect(Object.keys(properties ?? {})).toContain(member)
      const validator = validatorOf(one)
      if (one['default'] !== undefined) expect(validator.safeParse(one['default']).success).toBe(true)
    }
  })

  it('has the codes, transports and limits of the code', () => {
    const parameters = read.components.parameters
    const schemas = description.components.schemas
    expect(schemas['ErrorCode']?.['enum']).toEqual(Object.keys(errors))
    const named = z.object({ enum: z.array(z.string()) }).parse(parameters['transport']?.schema)
    expect(named.enum.toSorted()).toEqual([...transportNames].toSorted())
    expect(parameters['limit']?.schema).toMatchObject({ default: limits.pollPublications })
    expect(parameters['idempotencyKey']?.schema).toMatchObject({ maxLength: limits.headerValueBytes })
    expect(descriptionText.match(/"maxItems": [0-9]+/g)).toEqual([
      `"maxItems": ${limits.channelsPerResponse}`,
      `"maxItems": ${limits.batchItems}`,
      `"maxItems": ${limits.channelsPerResponse}`,
    ])
  })
})

/** The schemas of components, of parameters, headers and contents, with those inside them. */
function everySchema(node: unknown): readonly Schema[] {
  if (Array.isArray(node)) return node.flatMap(everySchema)
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => {
    if (key === 'schema') return withInner(value as Schema)
    return key === 'schemas' ? Object.values(value as Record<string, Schema>).flatMap(withInner) : everySchema(value)
  })
}

function withInner(schema: Schema): readonly Schema[] {
  const { properties = {}, items, anyOf = [] } = schema as { properties?: Record<string, Schema>; items?: Schema; anyOf?: Schema[] }
  return [schema, ...[...Object.values(properties), ...(items === undefined ? [] : [items]), ...anyOf].flatMap(withInner)]
}
