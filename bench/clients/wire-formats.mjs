/**
 * The messages of each protocol, for raw clients. `reply` and `event` are compared with the server's messages. `answer` returns the answer
 * to a call by the server. A path with a user is the one of clients with a user, two groups and an attribute, or of the hub
 * `groups`: of clients in a hundred groups.
 */
const SEPARATOR = '\x1e';

const signalR = {
  path: (user, hub = 'members') => (user === undefined ? '/bench' : `/${hub}?user=${user}`),
  greeting: [{ send: `{"protocol":"json","version":1}${SEPARATOR}`, expect: `{}${SEPARATOR}` }],
  event: (json) => `{"type":1,"target":"m","arguments":[${json}]}${SEPARATOR}`,
  call: (id, json) => `{"type":1,"invocationId":"${id}","target":"echo","arguments":[${json}]}${SEPARATOR}`,
  reply: (id, json) => `{"type":3,"invocationId":"${id}","result":${json}}${SEPARATOR}`,
  answer(text) {
    const id = /"invocationId":"([^"]*)"/.exec(text)?.[1];
    return id === undefined ? undefined : `{"type":3,"invocationId":"${id}","result":true}${SEPARATOR}`;
  },
};

export const WIRE_FORMATS = {
  signalR,
  ws: { ...signalR, event: (json) => json },
  floor: { path: () => '/bench', greeting: [], event: (json) => json },
  socketIo: {
    path: (user, hub = 'members') => `/socket.io/?EIO=4&transport=websocket${user === undefined ? '' : `&hub=${hub}&user=${user}`}`,
    greeting: [{ expect: '0{' }, { send: '40', expect: '40{' }],
    event: (json) => `42["m",${json}]`,
    call: (id, json) => `42${id}["echo",${json}]`,
    reply: (id, json) => `43${id}[${json}]`,
    answer(text) {
      const id = /^42(\d+)\[/.exec(text)?.[1];
      return id === undefined ? undefined : `43${id}[true]`;
    },
  },
};

const PING = `{"type":6}${SEPARATOR}`;

/** Whether a payload is SignalR's ping alone. */
export const isPing = (bytes, start, end) => end - start === PING.length && bytes.latin1Slice(start, end) === PING;
