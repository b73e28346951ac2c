/** The types of the optional package `ws` that we use. Its own types would bring Node's types into a browser package. */
declare module 'ws' {
  /** Version 8 has a named export, version 7 only the default. */
  export { WebSocketConstructor as WebSocket, WebSocketConstructor as default };
  declare const WebSocketConstructor: new (url: string, options?: never) => globalThis.WebSocket;
}
