/* global Hubline */
const chat = Hubline.defineHub('chat', { history: 'stream', upload: { uploads: 1 } });
const connection = Hubline.createHubConnection(chat, '/hubs/chat?user=ann', {
  transports: [Hubline.webSockets(), Hubline.serverSentEvents(), Hubline.longPolling()],
});
connection.receive({ said: ({ from, text }) => (document.getElementById('heard').textContent = `${from}: ${text}`) });
connection.start().then(() => connection.invoke.say('hello'));
