export * from './backplane.ts';
export { EnvelopeKind } from './envelope.ts';
export { memoryBackplane, type MemoryBackplane, type MemoryFaults } from './memory.ts';
export { nodeChannel, Post } from './post.ts';
export * from './topic.ts';
