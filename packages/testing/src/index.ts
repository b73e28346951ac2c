export { freePort } from './free-port.ts';
export { until, type UntilOptions } from './until.ts';
