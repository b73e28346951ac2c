/**
 * The map of the site: its sections and their pages, in the order of the side bar. A page is a title and the document that it shows, from
 * the root of the repository. Its address is that of the document in `docs`; a document elsewhere has `at`.
 */
export const SECTIONS = [
  {
    title: 'Start',
    pages: [
      ['What Hubline is', 'docs/start/what-it-is.md'],
      ['Install', 'docs/start/install.md'],
      ['Tutorial', 'docs/start/tutorial.md'],
      ['Two nodes', 'docs/start/two-nodes.md'],
    ],
  },
  {
    title: 'Guides',
    pages: [
      ['Contracts', 'docs/guides/contracts.md'],
      ['Authentication and attributes', 'docs/guides/authentication.md'],
      ['Groups, users and targets', 'docs/guides/targets.md'],
      ['Streams and uploads', 'docs/guides/streams.md'],
      ['Asking clients', 'docs/guides/questions.md'],
      ['Presence', 'docs/guides/presence.md'],
      ['Reconnection', 'docs/guides/reconnection.md'],
      ['Validation and middleware', 'docs/guides/validation.md'],
      ['Testing your hub', 'docs/guides/testing.md'],
      ['React, Vue and Svelte', 'docs/guides/user-interfaces.md'],
      ['Frameworks on the server', 'docs/guides/frameworks.md'],
      ['Runtimes', 'docs/guides/runtimes.md'],
      ['CommonJS and Jest', 'docs/guides/commonjs.md'],
      ['MessagePack', 'docs/guides/messagepack.md'],
      ['Raw connections', 'docs/guides/raw-connections.md'],
    ],
  },
  {
    title: 'Operate',
    pages: [
      ['Load balancers', 'deploy/README.md', { at: 'operate/load-balancers' }],
      ['Redis', 'docs/operate/redis.md'],
      ['Several nodes: costs, limits', 'docs/scaling.md'],
      ['Sizing', 'docs/operate/sizing.md'],
      ['Health, logging and metrics', 'docs/operate/health.md'],
      ['Outages', 'docs/operate/outages.md'],
      ['Rolling upgrades', 'docs/operate/upgrades.md'],
      ['Security checklist', 'docs/operate/security-checklist.md'],
    ],
  },
  { title: 'Migrate', pages: [['From SignalR and Socket.IO', 'docs/from-signalr.md']] },
  {
    title: 'Reference',
    pages: [
      ['Client', 'docs/reference/client.md'],
      ['Options of the client', 'docs/reference/client-options.md'],
      ['Server', 'docs/reference/server.md'],
      ['Options of the server', 'docs/reference/server-options.md'],
      ['Context of a call', 'docs/reference/ctx.md'],
      ['Events', 'docs/reference/events.md'],
      ['Operations and their cost', 'docs/reference/operations.md'],
      ['Contract', 'packages/protocol/README.md', { at: 'reference/contract' }],
      ['Error codes and reasons', 'docs/reference/errors.md'],
      ['Redis commands', 'docs/reference/redis-commands.md'],
      ['Glossary', 'docs/reference/glossary.md'],
      ['API', 'docs/reference/api.md', { at: 'reference/api/index' }],
    ],
  },
  {
    title: 'Protocol',
    pages: [
      ['The protocol', 'PROTOCOL.md', { at: 'protocol' }],
      ['Transcripts', 'docs/protocol/transcripts.md'],
      ['Examples between nodes', 'docs/protocol/between-nodes.md'],
      ['Writing a client, sender, backplane', 'docs/protocol/implementing.md'],
      ['Interoperability', 'docs/interop.md'],
      ['Test kit', 'docs/test-kit.md'],
    ],
  },
  {
    title: 'Explain',
    pages: [
      ['Architecture', 'ARCHITECTURE.md', { at: 'explain/architecture' }],
      ['Guarantees', 'docs/guarantees.md'],
      ['Questions people ask', 'docs/explain/questions.md'],
      ['Why our own MessagePack', 'docs/explain/messagepack.md'],
      ['Performance', 'docs/performance.md'],
      ['Benchmarks', 'bench/README.md', { at: 'explain/benchmarks' }],
    ],
  },
  {
    title: 'Project',
    pages: [
      ['Contributing', 'CONTRIBUTING.md', { at: 'project/contributing' }],
      ['Playground', 'playground/README.md', { at: 'project/playground' }],
      ['Example: devices', 'examples/devices/README.md', { at: 'project/devices' }],
      ['Security', 'SECURITY.md', { at: 'project/security' }],
      ['Changelog', 'CHANGELOG.md', { at: 'project/changelog' }],
    ],
  },
];

/** The page of the address `/`. */
const HOME = ['Hubline', 'docs/index.md'];

/** Returns all pages: their titles, documents and addresses, without the leading slash. */
export const pages = () => [HOME, ...SECTIONS.flatMap((section) => section.pages)].map(pageOf);

function pageOf([title, document, { at } = {}]) {
  return { title, document, path: at ?? document.replace(/^docs\/|\.md$/g, '') };
}

/** Returns the address of a page: `/` for `index`, `/reference/api/` for `reference/api/index`. */
export const addressOf = (path) => `/${path.replace(/(^|\/)index$/, '$1')}`;

/** The side bar of VitePress. */
export const sidebar = (reference) =>
  SECTIONS.map((section) => ({
    text: section.title,
    collapsed: !['Start', 'Guides'].includes(section.title),
    items: section.pages.map(pageOf).map(({ title, path }) => ({
      text: title,
      link: addressOf(path),
      ...(path === 'reference/api/index' && { collapsed: true, items: reference }),
    })),
  }));
