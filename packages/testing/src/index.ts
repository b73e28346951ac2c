export { startBalancer, type Balancer, type BalancerOptions } from './balancers.ts';
export { freePort } from './free-port.ts';
export { until, type UntilOptions } from './until.ts';
