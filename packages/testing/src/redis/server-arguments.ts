import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface ServerSettings {
  readonly port: number;
  readonly folder: string;
  readonly password: string | undefined;
  readonly user: { readonly name: string; readonly password: string } | undefined;
  /** Whether `key.pem` and `certificate.pem` are in the folder, and only TLS is accepted. */
  readonly isTls: boolean;
}

/** Whether the program is Microsoft's Garnet, whose arguments differ from those of Redis and Valkey. */
export const isGarnet = (program: string): boolean => basename(program).startsWith('garnet-server');

/** Returns the arguments with which a server listens on 127.0.0.1, without a configuration file and without persistence. */
export function serverArguments(program: string, settings: ServerSettings): readonly string[] {
  return isGarnet(program) ? garnetArguments(settings) : redisArguments(settings);
}

function redisArguments({ port, folder, password, user, isTls }: ServerSettings): readonly string[] {
  return [
    ...['--bind', '127.0.0.1', '--dir', folder],
    ...(isTls ? [...REDIS_TLS, '--port', '0', '--tls-port', String(port)] : ['--port', String(port)]),
    ...['--save', '', '--appendonly', 'no', '--daemonize', 'no'],
    ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
    ...(user ? ['--user', 'default', 'off', '--user', user.name, 'on', `>${user.password}`, '~*', '&*', '+@all'] : []),
  ];
}

/** Garnet needs a file for ACL users, refuses DEBUG and Lua by default, and computes INFO only with a sampling interval. */
function garnetArguments({ port, folder, password, user, isTls }: ServerSettings): readonly string[] {
  const rights = '+@all';
  const users = [
    user ? 'user default off' : `user default on ${password === undefined ? 'nopass' : `>${password}`} ${rights}`,
    ...(user ? [`user ${user.name} on >${user.password} ${rights}`] : []),
  ];
  const file = join(folder, 'users.acl');
  writeFileSync(file, `${users.join('\n')}\n`);
  return [
    ...['--bind', '127.0.0.1', '--port', String(port), '--auth', 'ACL', '--acl-file', file],
    ...['--lua', '--enable-debug-command', 'local', '--metrics-sampling-freq', '1', '--commandstats-monitor'],
    // Tests start several servers and need little memory.
    ...['--memory', '256m', '--index', '16m'],
    ...(isTls ? GARNET_TLS : []),
  ];
}

/** Returns the further arguments of a node of a cluster. Garnet's nodes talk to each other on the port for clients. */
export function clusterArguments(
  program: string,
  { busPort, nodeTimeoutMs }: { busPort: number; nodeTimeoutMs: number },
): readonly string[] {
  if (isGarnet(program)) {
    // The default device needs a library that Debian does not install. Nodes exchange their views each second instead of every five.
    return ['--cluster', '--cluster-announce-ip', '127.0.0.1', '--device-type', 'RandomAccess', '--gossip-delay', '1'];
  }
  return [
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', String(nodeTimeoutMs)],
    // Replicas are synchronised at once instead of after the default five seconds.
    ...['--repl-diskless-sync-delay', '0'],
  ];
}

const REDIS_TLS = [
  '--tls-cert-file',
  'certificate.pem',
  '--tls-key-file',
  'key.pem',
  '--tls-ca-cert-file',
  'certificate.pem',
  '--tls-auth-clients',
  'no',
];
const GARNET_TLS = [
  '--tls',
  '--cert-file-name',
  'certificate.pem',
  '--cert-password',
  'key.pem',
  '--client-certificate-required',
  'false',
  '--server-certificate-required',
  'false',
];
