/** All transports that CONTRACT section 1 names for HTTP. What is not in the registry yet is answered with 501, what is switched off with 403. */
export const transportNames = ['websocket', 'sse', 'stream', 'long-poll', 'poll', 'iframe', 'jsonp', 'multipart'] as const
export type TransportName = (typeof transportNames)[number]

/** Those that a page of any origin can use without CORS are switched on by name only. */
export const defaultTransports: readonly TransportName[] = transportNames.filter((name) => name !== 'iframe' && name !== 'jsonp')

export function isTransportName(name: string): name is TransportName {
  return (transportNames as readonly string[]).includes(name)
}
