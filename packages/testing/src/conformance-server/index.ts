export { optionsFrom } from './options.ts';
export { startConformanceServer, type ConformanceServer, type ConformanceServerOptions } from './server.ts';
