/** The configuration of the site. `npm run docs` copies it to the assembled pages and runs VitePress there. */
import { readFileSync } from 'node:fs';
import { sidebar } from './map.mjs';

/** Written by scripts/docs/assemble.mjs: the address of the repository, and the pages of the API. */
const { repository, reference } = JSON.parse(readFileSync(new URL('site.json', import.meta.url), 'utf8'));

export default {
  title: 'Hubline',
  description: 'Typed realtime hubs for TypeScript, on the SignalR wire, across any number of nodes.',
  lang: 'en',
  cleanUrls: true,
  ignoreDeadLinks: [/^https?:\/\/(localhost|127\.0\.0\.1)/],
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: '/logo.svg' }]],
  markdown: {
    theme: { light: 'github-light', dark: 'github-dark' },
    languageAlias: { caddyfile: 'nginx', cs: 'csharp' },
    // The anchors of GitHub, so that links work in the repository too.
    anchor: {
      slugify: (heading) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
          .trim()
          .replaceAll(/\s/g, '-'),
    },
    config(markdown) {
      const fence = markdown.renderer.rules.fence;
      markdown.renderer.rules.fence = (...args) => {
        const [tokens, index] = args;
        if (tokens[index].info.trim() !== 'mermaid') return fence(...args);
        return `<Diagram code="${encodeURIComponent(tokens[index].content)}" />`;
      };
    },
  },
  // The address of a page's source in the repository.
  transformPageData: (page) => ({ filePath: page.frontmatter.source ?? page.filePath }),
  themeConfig: {
    logo: '/logo.svg',
    outline: [2, 3],
    search: { provider: 'local' },
    editLink: { pattern: `${repository}/edit/main/:path`, text: 'Edit this page' },
    socialLinks: [{ icon: 'github', link: repository }],
    sidebar: sidebar(reference),
    nav: [
      { text: 'Start', link: '/start/what-it-is', activeMatch: '^/start/' },
      { text: 'Guides', link: '/guides/contracts', activeMatch: '^/guides/' },
      { text: 'Operate', link: '/operate/outages', activeMatch: '^/(operate/|scaling)' },
      { text: 'Reference', link: '/reference/api/', activeMatch: '^/reference/' },
      { text: 'Protocol', link: '/protocol', activeMatch: '^/(protocol|interop|test-kit)' },
    ],
  },
};
