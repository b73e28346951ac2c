export { startConformanceServer, type ConformanceServer, type ConformanceServerOptions } from './server.ts';
