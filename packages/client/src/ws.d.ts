/** The little that we use of the optional package: its own types would bring all of Node's into a browser package. */
declare module 'ws' {
  /** Version 8 names it, version 7 is it. */
  export { WebSocketConstructor as WebSocket, WebSocketConstructor as default };
  declare const WebSocketConstructor: new (url: string, options?: never) => globalThis.WebSocket;
}
