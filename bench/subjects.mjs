/**
 * The measured subjects by name. `server` is a module in servers/ or `dotnet`; `client` is a module in clients/; `wire` is its protocol in
 * clients/wire-formats.mjs.
 */
export const SUBJECTS = {
  hubline: { label: 'Hubline', server: 'hubline', client: 'hubline', wire: 'signalR' },
  'microsoft-client': { label: "Microsoft's client", server: 'hubline', client: 'microsoft', wire: 'signalR' },
  ws: { label: 'ws', server: 'ws', client: 'ws', wire: 'ws' },
  'socket-io': { label: 'Socket.IO', server: 'socket-io', client: 'socket-io', wire: 'socketIo' },
  dotnet: { label: 'ASP.NET Core, workstation GC', server: 'dotnet', client: 'microsoft', wire: 'signalR', isServerGc: false },
  'dotnet-server-gc': { label: 'ASP.NET Core, server GC', server: 'dotnet', client: 'microsoft', wire: 'signalR', isServerGc: true },
  floor: { label: 'floor: frames joined, one write', server: 'floor', wire: 'floor' },
  prepared: { label: 'prepared frames', server: 'prepared', wire: 'signalR' },
  redis: { label: 'bare Redis: publish and subscribe', server: 'redis', wire: 'none' },
};
