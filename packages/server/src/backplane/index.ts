export * from './backplane.ts';
export { memoryBackplane, type MemoryBackplane, type MemoryFaults } from './memory.ts';
export * from './topic.ts';
