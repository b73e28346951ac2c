/* global Hubline */
const query = new URLSearchParams(location.search);
const name = query.get('name') ?? 'Tag';
const room = query.get('room') ?? 'lobby';
const byId = (id) => document.getElementById(id);

// At run time a contract is a name and the list of methods that stream. Types are for TypeScript only.
const playground = Hubline.defineHub('playground', {
  history: 'stream',
  ask: 'stream',
  metrics: 'stream',
  people: 'stream',
  nodes: 'stream',
});

start();

async function start() {
  const { nodes } = await (await fetch('/cluster.json')).json();
  const node = nodes.find(({ nodeId }) => nodeId === query.get('node')) ?? nodes[0];
  const url = `http://${location.hostname}:${node.port}/hubs/playground?name=${encodeURIComponent(name)}`;
  const connection = Hubline.createHubConnection(playground, url, {
    reconnect: { initial: true },
    receiver: { said: show, confirm, withdrawn: (questionId) => byId(questionId)?.remove() },
  });

  connection.on('state', (state) => {
    byId('state').textContent = `${name}: ${state.name}, ${node.nodeId}`;
    if (state.name === 'connected') subscribe().catch(report);
  });
  byId('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    connection.invoke.say(byId('text').value).catch(report);
    byId('text').value = '';
  });
  connection.start().catch(report);

  async function subscribe() {
    watchPeople().catch(report);
    await connection.invoke.enter(room);
    for await (const message of connection.stream.history()) show(message);
  }

  async function watchPeople() {
    const people = new Map();
    for await (const event of connection.stream.people()) {
      if (event.type === 'snapshot') people.clear();
      for (const person of event.people ?? [event.person]) people.set(person.connectionId, person);
      if (event.type === 'leave') people.delete(event.person.connectionId);
      byId('online').replaceChildren(...[...people.values()].map((person) => element('li', `${person.name} on ${person.nodeId}`)));
    }
  }
}

function show({ id, from, text }) {
  if (byId(`message-${id}`)) return; // it may arrive live and from the history
  const line = element('li', `${from}: ${text}`);
  line.id = `message-${id}`;
  byId('log').append(line);
  line.scrollIntoView({ block: 'nearest' });
}

/** Shows a question. The promise resolves with the user's answer. */
function confirm({ id, from, text }) {
  return new Promise((resolve) => {
    const card = element('section', `${from} asks: ${text}`);
    card.id = id;
    for (const [label, value] of Object.entries({ Yes: true, No: false })) {
      const button = element('button', label);
      button.addEventListener('click', () => {
        card.remove();
        resolve(value);
      });
      card.append(button);
    }
    byId('questions').append(card);
  });
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function report(error) {
  if (error.code !== 'connection_lost') byId('state').textContent = error.message;
}
