export { startCluster, type Cluster, type ClusterOptions, type PerNode } from './cluster.ts';
export type { Announcement, AskOptions, ClusterNode } from './cluster-node.ts';
export { faults, type Fault } from './fault.ts';
export type { ProcessSandboxOptions as PremisesOptions } from './process-sandbox.ts';
export { startProxy, type ProxyOptions, type TcpProxy } from './proxy.ts';
export type { Monitor, MonitoredCommand } from '../redis/monitor.ts';
export { startRedisCluster, type RedisCluster, type RedisClusterOptions } from '../redis/redis-cluster.ts';
export { startSentinel, type RedisSentinel, type RedisSentinelOptions } from '../redis/redis-sentinel.ts';
export { startRedis, type RedisOptions, type RedisServer } from '../redis/redis-server.ts';
