/** The bundle with MessagePack for a script tag. One bundle has one global and one class of errors. */
export * from './index.ts';
export * from './messagepack.ts';
