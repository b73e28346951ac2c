import react from '@vitejs/plugin-react';

export default { root: 'page', base: './', plugins: [react()], build: { outDir: '../out/page', emptyOutDir: true }, logLevel: 'warn' };
