export { startBalancer, type Balancer, type BalancerOptions } from './balancers.ts';
export { faultyBackplane, type BackplaneFaultControls, type FaultyBackplane } from './memory/faulty-backplane.ts';
export { freePort } from './free-port.ts';
export { random } from './random.ts';
export { until, type UntilOptions } from './until.ts';
