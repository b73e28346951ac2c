import { defineHub } from '@hubline/protocol';

export const contract = defineHub('runtimes', { count: 'stream', upload: { uploads: 1 } });
