import { tools } from '../tools.mjs';

/**
 * Returns the folder of the programs that build the site. They are no dependencies of the workspace, because they would double the time
 * of its installation (36 s and 67 s, two busy cores).
 */
export const siteTools = () =>
  tools({
    vitepress: '1.6.4',
    typedoc: '0.28.20',
    'typedoc-plugin-markdown': '4.14.1',
    typescript: '6.0.3',
    '@mermaid-js/tiny': '11.17.2',
    '@types/node': '20.19.43',
  });
