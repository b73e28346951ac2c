export * from './backplane.ts';
export { EnvelopeKind } from './envelope.ts';
export * as read from './fields.ts';
export type { Read } from './fields.ts';
export { LocalDirectory } from './local-directory.ts';
export { memoryBackplane } from './memory.ts';
export { nodeChannel, NodeMessenger } from './node-messenger.ts';
export * from './topic.ts';
