export * from './backplane.ts';
export * from './topic.ts';
