/** The messages of each server's protocol, for raw clients. `reply` and `event` are compared with the server's messages. */
const SEPARATOR = '\x1e';

const signalR = {
  path: '/bench',
  greeting: [{ send: `{"protocol":"json","version":1}${SEPARATOR}`, expect: `{}${SEPARATOR}` }],
  event: (json) => `{"type":1,"target":"m","arguments":[${json}]}${SEPARATOR}`,
  call: (id, json) => `{"type":1,"invocationId":"${id}","target":"echo","arguments":[${json}]}${SEPARATOR}`,
  reply: (id, json) => `{"type":3,"invocationId":"${id}","result":${json}}${SEPARATOR}`,
};

export const WIRE_FORMATS = {
  hubline: signalR,
  ws: { ...signalR, event: (json) => json },
  floor: { path: '/bench', greeting: [], event: (json) => json },
  'socket-io': {
    path: '/socket.io/?EIO=4&transport=websocket',
    greeting: [{ expect: '0{' }, { send: '40', expect: '40{' }],
    event: (json) => `42["m",${json}]`,
    call: (id, json) => `42${id}["echo",${json}]`,
    reply: (id, json) => `43${id}[${json}]`,
  },
};
