import { describe, expect, it } from 'vitest';
import { entriesIn } from '../backports.mjs';

describe('entriesIn', () => {
  it('entriesIn reads sources in the one-line format', () => {
    const text = `# deb mirror:/commented bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian.gpg] mirror:/debian bookworm main contrib
deb mirror:/debian bookworm-updates main
deb-src mirror:/debian bookworm main
`;
    expect(entriesIn(text)).toEqual([
      { uri: 'mirror:/debian', suites: ['bookworm'], signedBy: '/usr/share/keyrings/debian.gpg' },
      { uri: 'mirror:/debian', suites: ['bookworm-updates'], signedBy: undefined },
    ]);
  });

  it('entriesIn reads sources in the deb822 format', () => {
    const text = `Types: deb
# URIs: mirror:/snapshot
URIs: mirror:/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb-src
URIs: mirror:/debian
Suites: bookworm
`;
    expect(entriesIn(text)).toEqual([
      { uri: 'mirror:/debian', suites: ['bookworm', 'bookworm-updates'], signedBy: '/usr/share/keyrings/debian.gpg' },
    ]);
  });
});
