/** What pages load by a script tag when they want MessagePack too: one global, so one class of errors. */
export * from './index.ts';
export * from './messagepack.ts';
