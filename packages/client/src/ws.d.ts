/** The little that we use of the optional package: its own types would bring all of Node's into a browser package. */
declare module 'ws' {
  export { WebSocketConstructor as WebSocket };
  declare const WebSocketConstructor: new (url: string, options?: never) => globalThis.WebSocket;
}
