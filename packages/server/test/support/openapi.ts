import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Head } from './raw-http.ts'

// Every answer that tests get through the clients of this folder has to be one that openapi.json describes.

/** What is known of the request that an answer belongs to. */
export interface Asked {
  readonly method: string
  /** As it went on the wire. */
  readonly target: string
  /** It offered an upgrade to WebSocket. */
  readonly upgrade: boolean
}

export interface Schema {
  readonly [keyword: string]: unknown
}

interface Reference {
  readonly $ref?: string
}

export interface DescribedHeader extends Reference {
  readonly required?: boolean
  readonly schema?: Schema
}

export interface DescribedResponse extends Reference {
  readonly headers?: Readonly<Record<string, DescribedHeader>>
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
  /** Of `default`: what any request may get. */
  readonly 'x-statuses'?: readonly number[]
}

export interface Operation {
  readonly operationId: string
  readonly responses: Readonly<Record<string, DescribedResponse>>
}

type PathItem = Readonly<Record<string, Operation>>

interface Description {
  readonly paths: Readonly<Record<string, PathItem>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

export const descriptionText = readFileSync(new URL('../../src/http/openapi.json', import.meta.url), 'utf8')
export const description = JSON.parse(descriptionText) as Description

/** What was seen in this file's tests: `publish 201 application/json`. */
export const seen = new Set<string>()

/** Follows a reference; what is none is given back. */
export function resolve<T extends object>(thing: T): T {
  const { $ref } = thing as Reference
  if ($ref === undefined) return thing
  return $ref
    .slice(2)
    .split('/')
    .reduce<unknown>((node, name) => (node as Readonly<Record<string, unknown>>)[name], description) as T
}

/** Throws where openapi.json doesn't have this answer. Without a body only the head is looked at. */
export function checkAnswer(asked: Asked | undefined, head: Head, body?: Buffer): void {
  // What has none of this is an application's own answer, beside which the server stands.
  if (!head.headers.has('x-content-type-options') && head.status !== 101) return
  const method = asked?.method.toLowerCase()
  const content = method === 'head' ? undefined : body
  const name = `${asked?.method ?? 'bytes'} ${asked?.target.slice(0, 60) ?? ''}: ${head.status}`
  if (asked === undefined || [308, 404, 405].includes(head.status)) {
    // What is no request, no address, or no method of it has a problem document, and no operation; a prefix without its slash leads to the page.
    if (head.status >= 400) checkBody(name, 'application/problem+json', problemSchema, head, content)
    if (head.status === 405 && !head.headers.has('allow')) throw new Error(`${name} has no Allow`)
    if (head.status === 308 && !head.headers.has('location')) throw new Error(`${name} has no Location`)
    return
  }
  if (method === 'options' && head.status === 204) return
  const operation = operationOf(asked)
  if (operation !== undefined) checkOperation(name, operation, head, content, method === 'head')
  else if (anyStatuses.includes(head.status)) checkBody(name, 'application/problem+json', problemSchema, head, content)
  else throw new Error(`${name} is not described: there is no such operation`)
}

function checkOperation(name: string, operation: Operation, head: Head, body: Buffer | undefined, headOnly: boolean): void {
  const own = operation.responses[head.status]
  const response = own === undefined ? commonResponse(operation, head.status) : resolve(own)
  if (response === undefined) throw new Error(`${name} is not described under ${operation.operationId}`)
  checkHeaders(name, response, head)
  const { content } = response
  const type = essence(head)
  seen.add([operation.operationId, own === undefined ? 'default' : head.status, ...(content === undefined ? [] : [type])].join(' '))
  if (own === undefined) seen.add(`default ${head.status}`)
  if (headOnly) return
  const schema = content?.[type]?.schema
  if (schema !== undefined) return checkBody(name, type, schema, head, body)
  if (content !== undefined) throw new Error(`${name} is ${type}, and only ${Object.keys(content).join(', ')} is described`)
  if (body !== undefined && body.length > 0) throw new Error(`${name} has a body, and none is described`)
}

const problemSchema: Schema = { $ref: '#/components/schemas/Problem' }
const anyStatuses =
  (description as unknown as { components: { responses: Record<string, DescribedResponse> } }).components.responses['Any']?.[
    'x-statuses'
  ] ?? []

function commonResponse(operation: Operation, status: number): DescribedResponse | undefined {
  const common = operation.responses['default']
  const response = common === undefined ? undefined : resolve(common)
  return response?.['x-statuses']?.includes(status) === true ? response : undefined
}

/** The operation of an address, behind a prefix too. One that no upgrade can ask for is none of an upgrade's; a GET answers to HEAD. */
function operationOf({ method, target, upgrade }: Asked): Operation | undefined {
  const path = target.replace(/^https?:\/\/[^/?]*/i, '').replace(/\?.*$/s, '')
  const item = itemOf(path)
  const name = method.toLowerCase()
  const operation = item?.[name] ?? (name === 'head' ? item?.['get'] : undefined)
  return upgrade && operation?.responses['101'] === undefined ? undefined : operation
}

function itemOf(path: string): PathItem | undefined {
  const templates = Object.keys(description.paths).filter((one) => one.endsWith('/{channel}'))
  const template = templates.find((one) => path.startsWith(one.slice(0, -'{channel}'.length)))
  const item = description.paths[template ?? path]
  const slash = path.indexOf('/', 1)
  return item ?? (slash < 0 ? undefined : itemOf(path.slice(slash)))
}

export function essence(head: Head): string {
  return (head.headers.get('content-type')?.[0] ?? '').replace(/;.*$/s, '').trim().toLowerCase()
}

/** Those of HTTP, of CORS, of the handshake and of pages: they belong to no operation. */
const generalHeaders =
  /^(?:date|connection|keep-alive|content-length|content-type|transfer-encoding|vary|cache-control|x-content-type-options|x-accel-buffering|allow|upgrade|retry-after|access-control-.*|sec-websocket-.*|content-security-policy|referrer-policy)$/

function checkHeaders(name: string, response: DescribedResponse, { headers }: Head): void {
  const named = new Map(Object.entries(response.headers ?? {}).map(([field, header]) => [field.toLowerCase(), resolve(header)]))
  for (const field of headers.keys())
    if (!named.has(field) && !generalHeaders.test(field)) throw new Error(`${name} has the header ${field}, which is not described`)
  for (const [field, { required, schema }] of named) {
    const [value] = headers.get(field) ?? []
    if (value === undefined && required === true) throw new Error(`${name} has no header ${field}`)
    if (value === undefined || schema === undefined) continue
    const found = validatorOf(schema).safeParse(schema['type'] === 'integer' ? Number(value) : value)
    if (!found.success) throw new Error(`${name} has the header ${field}: ${value}, ${z.prettifyError(found.error)}`)
  }
}

function checkBody(name: string, type: string, schema: Schema, head: Head, body: Buffer | undefined): void {
  if (essence(head) !== type) throw new Error(`${name} is ${essence(head)}, and ${type} is described`)
  if (body === undefined || !/^application\/(?:problem\+)?json$/.test(type)) return
  const found = validatorOf(schema).safeParse(JSON.parse(body.toString()))
  if (!found.success)
    throw new Error(`${name} is not as it is described: ${z.prettifyError(found.error)}\n${body.toString().slice(0, 400)}`)
}

const validators = new WeakMap<Schema, z.ZodType>()

/** A validator of one of the description's schemas. Objects are closed: a member that isn't described is a fault here, though clients may ignore it. */
export function validatorOf(schema: Schema): z.ZodType {
  const known = validators.get(schema)
  if (known !== undefined) return known
  const made = z.fromJSONSchema({ ...(closed(schema) as Schema), $defs: definitions })
  validators.set(schema, made)
  return made
}

const definitions = closed(description.components.schemas) as Record<string, Schema>

function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed)
  if (typeof node !== 'object' || node === null) return node
  const copy = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' ? String(value).replace('#/components/schemas/', '#/$defs/') : closed(value),
    ]),
  )
  return copy['type'] === 'object' && copy['properties'] !== undefined ? { additionalProperties: false, ...copy } : copy
}
